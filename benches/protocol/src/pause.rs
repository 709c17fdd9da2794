//! A pause that is exact and cheap. Tokio's timer rounds up to whole milliseconds, which doubles a task of one
//! millisecond, and a system timer for each pause costs more than the queues do. So all pauses share one system timer.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::oneshot;

use crate::now;

static TIMER: OnceLock<Timer> = OnceLock::new();

struct Timer {
    fd: OwnedFd,
    pauses: Mutex<BinaryHeap<Reverse<Pause>>>,
}

struct Pause {
    until: u64,
    over: oneshot::Sender<()>,
}

/// Waits for this long, to within some tens of microseconds.
pub(crate) async fn pause(time: Duration) -> io::Result<()> {
    let until = now() + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2);
    let (over, wait) = oneshot::channel();
    timer()?.add(Pause { until, over })?;
    wait.await.map_err(io::Error::other)
}

fn timer() -> io::Result<&'static Timer> {
    if let Some(timer) = TIMER.get() {
        return Ok(timer);
    }
    let fd = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let ours = fd.try_clone()?;
    let timer = TIMER.get_or_init(|| {
        tokio::spawn(ring(fd));
        Timer { fd: ours, pauses: Mutex::default() }
    });
    Ok(timer)
}

/// Ends pauses when they are due.
async fn ring(fd: OwnedFd) {
    #[expect(deprecated, reason = "unsound only for types that do not own their descriptor; this one does")]
    let fd = AsyncFd::with_interest(fd, Interest::READABLE).expect("a timer can be watched");
    loop {
        let mut ready = fd.readable().await.expect("the runtime is there");
        let _ = ready.try_io(|fd| Ok(rustix::io::read(fd, &mut [0_u8; 8])?));
        let timer = TIMER.get().expect("it was made before it was set");
        timer.end_due().expect("a timer can be set").into_iter().for_each(|pause| {
            // A handler that was dropped does not wait any more, so the error is ignored.
            let _ = pause.over.send(());
        });
    }
}

impl Timer {
    fn add(&self, pause: Pause) -> io::Result<()> {
        let mut pauses = self.pauses.lock().expect("no holder of the lock panics");
        let first = pauses.peek().is_none_or(|Reverse(first)| pause.until < first.until);
        if first {
            self.set(pause.until)?;
        }
        pauses.push(Reverse(pause));
        Ok(())
    }

    fn end_due(&self) -> io::Result<Vec<Pause>> {
        let mut pauses = self.pauses.lock().expect("no holder of the lock panics");
        let now = now();
        let mut due = Vec::new();
        while pauses.peek().is_some_and(|Reverse(first)| first.until <= now) {
            due.extend(pauses.pop().map(|Reverse(pause)| pause));
        }
        if let Some(Reverse(next)) = pauses.peek() {
            self.set(next.until)?;
        }
        Ok(due)
    }

    fn set(&self, until: u64) -> io::Result<()> {
        let value = Timespec {
            tv_sec: (until / 1_000_000_000).cast_signed(),
            tv_nsec: (until % 1_000_000_000).cast_signed(),
        };
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        timerfd_settime(
            &self.fd,
            TimerfdTimerFlags::ABSTIME,
            &Itimerspec { it_interval: zero, it_value: value },
        )?;
        Ok(())
    }
}

impl PartialEq for Pause {
    fn eq(&self, other: &Self) -> bool {
        self.until == other.until
    }
}

impl Eq for Pause {}

impl PartialOrd for Pause {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Pause {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.until.cmp(&other.until)
    }
}
