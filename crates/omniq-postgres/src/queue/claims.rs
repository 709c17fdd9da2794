//! What claims and settlements share: the database, the claims of this process, and where claims resume.

use std::sync::Arc;

use omniq_core::Limits;

use super::claim_tracker::ClaimTracker;
use super::cursor::Cursors;
use super::dependencies::Dependencies;
use super::lock_holders::LockHolders;
use crate::db::Db;

/// Claims and settles tasks: see `claim` and `settle`, which implement it.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(super) db: Arc<Db>,
    pub(super) limits: Limits,
    pub(super) keep_completed: bool,
    pub(crate) tracker: ClaimTracker,
    pub(super) cursors: Cursors,
    pub(super) lock_holders: LockHolders,
    pub(super) dependencies: Arc<Dependencies>,
}

impl Claims {
    pub(super) fn new(db: &Arc<Db>) -> Arc<Self> {
        let settings = db.settings();
        Arc::new(Self {
            limits: settings.limits(),
            keep_completed: settings.keep_completed,
            db: Arc::clone(db),
            tracker: ClaimTracker::default(),
            cursors: Cursors::new(&db.returns),
            lock_holders: LockHolders::default(),
            dependencies: Arc::default(),
        })
    }
}
