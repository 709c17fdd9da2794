//! A pause that is exact. Tokio's own timer rounds up to whole milliseconds, which doubles a task of one.

use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Waits for so long, give or take some tens of microseconds.
pub(crate) async fn pause(time: Duration) -> std::io::Result<()> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
    let value = Timespec { tv_sec: time.as_secs().cast_signed(), tv_nsec: time.subsec_nanos().into() };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: zero, it_value: value })?;
    #[expect(deprecated, reason = "unsound only for types that do not own their descriptor; this one does")]
    let timer = AsyncFd::with_interest(timer, Interest::READABLE)?;
    let _ = timer.readable().await?;
    Ok(())
}
