//! Findings as the screen gets them. Plain data.

use super::Spot;
use crate::model::{FindingKind, Flow, FlowId};
use crate::time::Time;
use std::sync::Arc;

/// What findings are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// Whatever it is.
    #[default]
    All,
    /// What a service is at fault for.
    Service(Arc<str>),
    /// What a flow shows.
    Flow(FlowId),
}

/// What is wrong or suspicious: all findings, whatever the filter.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// Which these are.
    pub about: About,
    /// The worst first, of equal ones the one that was seen most.
    pub list: Vec<FindingLine>,
    /// What is looked for.
    pub sought: Vec<&'static str>,
    /// How many there are, whatever they are about.
    pub total: u64,
    /// The one whose examples these are.
    pub chosen: Option<u64>,
    /// What shows it, in order.
    pub examples: Vec<Example>,
}

/// What shows a finding once.
#[derive(Clone, Debug)]
pub struct Example {
    /// Where it can be seen.
    pub spot: Spot,
    /// The flows that show it, as far as they are there: mostly the one in and the one out.
    pub flows: Vec<Flow>,
}

/// A finding in the list.
#[derive(Clone, Debug)]
pub struct FindingLine {
    /// Its number.
    pub id: u64,
    /// What kind of thing it is.
    pub kind: FindingKind,
    /// The one at fault; none where nobody is.
    pub service: Option<Arc<str>>,
    /// How often it was seen.
    pub count: u64,
    /// One sentence for people.
    pub title: String,
    /// What shows it, in words.
    pub evidence: String,
    /// What to do about it.
    pub advice: String,
    /// When it was seen first.
    pub time: Time,
    /// Where it can be seen first; none where what showed it was evicted.
    pub proof: Option<Spot>,
}
