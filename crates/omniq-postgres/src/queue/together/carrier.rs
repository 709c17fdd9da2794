//! Carries calls to the database in one statement after the other, each with all that has gathered meanwhile.

use std::sync::Arc;

use omniq_core::{NewTask, Result, TaskId};

use super::{Call, Departure, Together, deliver, write_one};
use crate::db::Db;

/// How often others get their turn after an answer, at most, for as long as that brings more calls.
const TURNS: usize = 8;

/// Carries calls for as long as there are some for it.
pub(super) struct Carrier {
    together: Arc<Together>,
    state: State,
}

enum State {
    Travelling(u64),
    Looking,
    Retired,
}

impl Carrier {
    /// For a trip that has begun.
    pub(super) fn new(together: &Arc<Together>, trip: u64) -> Self {
        Self { together: Arc::clone(together), state: State::Travelling(trip) }
    }

    /// Not in a caller's own future: if that is dropped, the calls of others must not be.
    pub(super) fn start(together: &Arc<Together>, db: &Arc<Db>, (trip, calls): Departure) {
        tokio::spawn(Self::new(together, trip).carry(Arc::clone(db), calls));
    }

    async fn carry(mut self, db: Arc<Db>, calls: Vec<Call>) {
        let mut next = Some(calls);
        while let Some(calls) = next {
            let answered = calls.len();
            deliver(&db, calls, self.together.logged).await;
            self.look();
            self.gather(answered).await;
            next = self.depart(&db);
        }
    }

    /// A call in a statement of its own, carried by its caller.
    pub(super) async fn carry_one(self, db: Arc<Db>, task: NewTask) -> Result<TaskId> {
        let answer = write_one(&db, &[task], self.together.logged).await;
        self.retire(&db);
        answer
    }

    /// Whoever has his answer may call again at once, and those calls travel together, too.
    async fn gather(&self, answered: usize) {
        let mut before = 0;
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
            let calls = self.together.lock().calls.len();
            if calls >= answered || calls == before {
                break;
            }
            before = calls;
        }
    }

    fn look(&mut self) {
        let mut gathered = self.together.lock();
        if let State::Travelling(trip) = self.state {
            gathered.end(trip);
        }
        gathered.looking += 1;
        self.state = State::Looking;
    }

    /// The next calls for this carrier. Without any it retires: none are there, or they wait for another carrier.
    fn depart(&mut self, db: &Arc<Db>) -> Option<Vec<Call>> {
        let mut gathered = self.together.lock();
        gathered.looking -= 1;
        self.state = State::Retired;
        let (trip, calls) = self.together.depart(db, gathered)?;
        self.state = State::Travelling(trip);
        Some(calls)
    }

    /// Leaves the calls that wait to another carrier.
    fn retire(mut self, db: &Arc<Db>) {
        let mut gathered = self.together.lock();
        if let State::Travelling(trip) = self.state {
            gathered.end(trip);
        }
        self.state = State::Retired;
        let departure = if gathered.looking == 0 { self.together.depart(db, gathered) } else { None };
        if let Some(departure) = departure {
            Self::start(&self.together, db, departure);
        }
    }
}

/// A carrier that ends with its runtime leaves nobody waiting: who relied on it gets an error.
impl Drop for Carrier {
    fn drop(&mut self) {
        let mut gathered = self.together.lock();
        match self.state {
            State::Travelling(trip) => gathered.end(trip),
            State::Looking => gathered.looking -= 1,
            State::Retired => return,
        }
        if gathered.trips.is_empty() && gathered.looking == 0 {
            gathered.calls.clear();
        }
    }
}
