//! What watching costs the watched: nginx and wrk on loopback, at full tilt beside `tcpdump -w /dev/null` and at a steady pace; `make
//! bench` prints it. Nothing is asserted: the machine may be busy. It needs the right to capture.
//!
//! Each request's target tells when it was sent, so that the newest row of the screen tells how far behind it is.

mod site;
mod watcher;

use site::Site;
use std::io;
use std::time::Duration;
use watcher::{Screen, Watcher};

/// How often the service is measured beside each of those who watch, in turns.
const PAIRS: usize = 8;
/// For how long, each time.
const BURST: Duration = Duration::from_secs(2);
/// How long it is watched at a steady pace, and at which: requests a second.
const STEADY: Duration = Duration::from_secs(10);
const RATE: u64 = 2000;
/// Columns and rows of the terminal.
const SIZE: (u16, u16) = (120, 40);

fn main() -> io::Result<()> {
    // cargo asks every bench so in `cargo test`
    if std::env::args().any(|arg| arg == "--list") {
        return Ok(());
    }
    let site = Site::start()?;
    println!("nginx and wrk on loopback, {PAIRS} times {BURST:?} each, in turns");
    full_tilt(&site)?;
    screen_at_full_tilt(&site)?;
    println!("\n{RATE} requests/s for {STEADY:?}");
    steady(&site)
}

/// The service's throughput with nobody, tcpdump and meshtop beside it.
fn full_tilt(site: &Site) -> io::Result<()> {
    let (mut alone, mut ratios, mut sums) = (Vec::new(), Vec::new(), Sums::default());
    for pair in 0..PAIRS {
        alone.push(site.full_tilt(BURST)?);
        // who comes first changes, so that a machine that slows down favours nobody
        let (tcpdump, meshtop) = if pair % 2 == 0 {
            let tcpdump = beside_tcpdump(site)?;
            (tcpdump, beside_meshtop(site, &mut sums)?)
        } else {
            let meshtop = beside_meshtop(site, &mut sums)?;
            (beside_tcpdump(site)?, meshtop)
        };
        println!("  requests/s: alone {:>6.0}, tcpdump {tcpdump:>6.0}, meshtop {meshtop:>6.0}", alone[pair]);
        ratios.push((meshtop / tcpdump, meshtop / alone[pair]));
    }
    for (than, mut ratios) in [
        ("with tcpdump -w /dev/null", ratios.iter().map(|(tcpdump, _)| *tcpdump).collect::<Vec<f64>>()),
        ("with nobody", ratios.iter().map(|(_, alone)| *alone).collect()),
    ] {
        ratios.sort_by(f64::total_cmp);
        let middle = (ratios[(PAIRS - 1) / 2] + ratios[PAIRS / 2]) / 2.0;
        println!("throughput with meshtop to that {than}: median {middle:.2}, from {:.2} to {:.2}", ratios[0], ratios[PAIRS - 1]);
    }
    println!(
        "meshtop saw {} packets and {} flows of {:.0} requests; not seen: {} packets by the kernel's count, {} by its own",
        sums.packets, sums.flows, sums.requests, sums.kernel, sums.own
    );
    Ok(())
}

fn beside_tcpdump(site: &Site) -> io::Result<f64> {
    let watcher = Watcher::tcpdump(site.port)?;
    let rate = site.full_tilt(BURST);
    watcher.end()?;
    rate
}

/// What meshtop counted in all its runs.
#[derive(Default)]
struct Sums {
    requests: f64,
    packets: u64,
    flows: u64,
    kernel: u64,
    own: u64,
}

fn beside_meshtop(site: &Site, sums: &mut Sums) -> io::Result<f64> {
    let watcher = Watcher::meshtop(site.port)?;
    let rate = site.full_tilt(BURST)?;
    let stats: serde_json::Value = serde_json::from_str(&watcher.end()?).unwrap_or_default();
    let count = |at: &str| stats.pointer(at).and_then(serde_json::Value::as_u64).unwrap_or_default();
    sums.requests += rate * BURST.as_secs_f64();
    sums.packets += count("/packets");
    sums.flows += count("/flows/http");
    sums.kernel += count("/dropped/kernel");
    sums.own += count("/dropped/meshtop");
    Ok(rate)
}

fn screen_at_full_tilt(site: &Site) -> io::Result<()> {
    let screen = Screen::open(site.port, SIZE)?;
    let rate = site.full_tilt_told(STEADY)?;
    let told = screen.end()?;
    println!("with the screen, {rate:.0} requests/s: {:.0} % of a core, {}", told.cpu(STEADY), told.behind());
    Ok(())
}

/// What it takes of a core, headless and with its screen.
fn steady(site: &Site) -> io::Result<()> {
    let watcher = Watcher::meshtop(site.port)?;
    let before = watcher.cpu();
    let sent = site.steady(RATE, STEADY)?;
    println!("headless: {:.1} % of a core ({sent} requests)", share(watcher.cpu() - before, STEADY));
    watcher.end()?;
    let screen = Screen::open(site.port, SIZE)?;
    let sent = site.steady(RATE, STEADY)?;
    let told = screen.end()?;
    println!(
        "with the screen at {}x{}: {:.1} % of a core ({sent} requests), {}",
        SIZE.0,
        SIZE.1,
        told.cpu(STEADY),
        told.behind()
    );
    Ok(())
}

/// Hundredths of a core.
fn share(cpu: Duration, of: Duration) -> f64 {
    100.0 * cpu.as_secs_f64() / of.as_secs_f64()
}
