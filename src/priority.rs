//! Who comes first where the processor is short: what is watched, not the watching.
//!
//! A thread that works on a live capture steps back (nice(2)), and has a sixteenth of a core for sure. One that has used more works only while
//! nobody else wants to (SCHED_IDLE, sched(7)), until as much of the time that has passed makes up for it: services that take all there is
//! are slowed down little more, and what is too much for the rest is skipped where it is counted. A thread of its own looks after that, for
//! whom nobody lets run can do nothing for himself; it has the one right to bring others back (CAP_SYS_NICE), and where nobody has it such
//! threads only step back. Beyond Linux nothing changes: there a priority is a process's.

#[cfg(target_os = "linux")]
mod linux;

#[cfg(target_os = "linux")]
pub use linux::{Working, give_way, look_after};

#[cfg(not(target_os = "linux"))]
pub use elsewhere::{Working, give_way, look_after};

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    /// A thread that works on a live capture.
    pub struct Working;

    impl Working {
        pub fn tell(&self) {}
    }

    pub fn give_way() -> Working {
        Working
    }

    pub fn look_after() -> std::io::Result<()> {
        Ok(())
    }
}
