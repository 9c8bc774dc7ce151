//! Who comes first where the processor is short: what is watched, not the watching.

/// How far the threads that work on a live capture step back (nice(2)): beside services that take all there is each gets a tenth of a core,
/// which is tens of thousands of flows a second, else all it asks for.
#[cfg(target_os = "linux")]
const STEP_BACK: i32 = 10;

/// This thread gives way to others from now on, as far as the scheduler weighs them against each other (setpriority(2), sched(7)): what it
/// is behind by is for others to tell. Beyond Linux nothing changes: there a priority is a process's.
pub fn give_way() {
    // whoever may not even yield goes on as before
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, STEP_BACK);
}
