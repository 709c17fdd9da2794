//! How often tasks may have come back to where claims have passed: counted wherever a statement is sent, because nothing else
//! would show a verb that forgets it. Claims that resume begin at the front again after each (`queue/cursor.rs`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sql::Statement;

/// The number of such statements.
#[derive(Debug, Default)]
pub(crate) struct Returns(AtomicU64);

impl Returns {
    /// For statements that are about to be sent. `None`: none of them brings tasks back.
    pub(super) fn by<'a>(
        self: &Arc<Self>,
        mut statements: impl Iterator<Item = &'a Statement>,
    ) -> Option<Returning> {
        statements.any(|statement| statement.clears_cursors).then(|| Returning(Arc::clone(self)))
    }

    pub(crate) fn note(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// Statements in flight. Its drop notes their end: whatever their answer, and even if no call waits for it any more, the server may have
/// carried them out, and their locks made claims pass.
pub(super) struct Returning(Arc<Returns>);

impl Drop for Returning {
    fn drop(&mut self) {
        self.0.note();
    }
}

#[cfg(test)]
mod tests {
    use omniq_testkit::TestDb;

    use crate::db::Db;
    use crate::settings::Settings;
    use crate::sql::Statement;
    use crate::sql::schema::Schema;

    #[tokio::test]
    async fn a_statement_that_clears_the_cursors_does_so_however_it_is_sent() {
        let test = TestDb::new().await;
        let db = Db::open(&Settings::builder().url(test.url()).build().unwrap()).await.unwrap();
        let statement = |file: &str| Statement::new(&Schema::new("omniq").unwrap(), "probe", file, &[]);
        let (cleared, kept) = (
            statement("-- cursors: cleared\nselect 0::bigint"),
            statement("-- cursors: kept\nselect 0::bigint"),
        );
        let none_left = statement("select false");
        let mut expected = 0;
        for (statement, each) in [(&kept, 0), (&cleared, 1)] {
            let mut sent = async |answer: omniq_core::Result<()>| {
                answer.unwrap();
                expected += each;
                assert_eq!(db.returns.count(), expected);
            };
            sent(db.query(statement, &[]).await.map(drop)).await;
            sent(db.all_answers(&mut db.patience(), &[(&kept, &[]), (statement, &[])]).await.map(drop)).await;
            sent(db.in_transaction(&[(statement, &[])]).await.map(drop)).await;
            sent(db.until_none_left(statement, &none_left, &[]).await.map(drop)).await;
            let [first, _] =
                db.query_both(db.client().await.unwrap(), [(&kept, &[]), (statement, &[])]).await;
            sent(first.map(drop)).await;
        }
        db.close().await;
    }
}
