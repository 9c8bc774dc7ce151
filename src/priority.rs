//! Who comes first where the processor is short: what is watched, not the watching.

/// This thread gives way to others from now on, as far as the scheduler weighs them against each other (setpriority(2), sched(7)): what it
/// is behind by is for others to tell. Beyond Linux nothing changes: there priorities are a process's.
pub fn give_way() {
    #[cfg(target_os = "linux")]
    {
        let n = std::env::var("MESHTOP_NICE").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
        // whoever may not even yield goes on as before
        _ = rustix::process::setpriority_process(None, n);
    }
}
