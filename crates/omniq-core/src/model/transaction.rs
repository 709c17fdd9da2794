//! A statement for a transaction of the user.

use super::{DatabaseId, Enqueued, TaskId};
use crate::{Error, Result};

/// A statement that does its work in the transaction in which it is executed: `$1` is text, `$2` an array of bytes with
/// nulls.
///
/// It returns one row of two columns: the name of the database that the connection leads to, and its answer, an array of texts;
/// null in its place if that is not the right database. Then nothing was done.
#[derive(Debug, Clone)]
pub struct TransactionStatement {
    /// The statement.
    pub sql: String,
    /// `$1`.
    pub record: String,
    /// `$2`.
    pub values: Vec<Option<Vec<u8>>>,
    /// The database that the connection must lead to.
    pub database: DatabaseId,
}

impl TransactionStatement {
    /// What the answer of a settlement says: for each task whether its claim held.
    pub fn held(answer: &[String]) -> Vec<bool> {
        answer.iter().map(|held| held == "true").collect()
    }

    /// What the answer of an enqueue of tasks with these ids says: nothing if all were added, else for each `new`, or
    /// what has become of it ([`Enqueued::name`]) and the id of the task that holds its key, as `skipped 01a2…`.
    pub fn enqueued(ids: &[TaskId], answer: &[String]) -> Result<Vec<Enqueued>> {
        if answer.is_empty() {
            return Ok(ids.iter().copied().map(Enqueued::New).collect());
        }
        let read = |(id, text): (&TaskId, &String)| {
            let (name, holder) = text.split_once(' ').unwrap_or((text, ""));
            let holder = if holder.is_empty() { Ok(*id) } else { holder.parse() };
            holder.ok().and_then(|holder| Enqueued::of(name, holder))
        };
        let all: Option<Vec<Enqueued>> = ids.iter().zip(answer).map(read).collect();
        all.filter(|all| all.len() == ids.len())
            .ok_or_else(|| Error::internal(format!("the answer of an enqueue cannot be read: {answer:?}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_of_an_enqueue_is_read() {
        let [a, b] = [TaskId::new(), TaskId::new()];
        let read = |answer: &[String]| TransactionStatement::enqueued(&[a, b], answer);
        assert_eq!(read(&[]).unwrap(), [Enqueued::New(a), Enqueued::New(b)]);
        let other = TaskId::new();
        for (name, enqueued) in [
            ("skipped", Enqueued::Skipped(other)),
            ("replaced", Enqueued::Replaced(other)),
            ("rescheduled", Enqueued::Rescheduled(other)),
        ] {
            let answer = ["new".to_owned(), format!("{name} {other}")];
            assert_eq!(read(&answer).unwrap(), [Enqueued::New(a), enqueued]);
        }
        assert!(read(&["new".to_owned()]).is_err());
        assert!(read(&["new".to_owned(), "gone".to_owned()]).is_err());
    }
}
