//! The errors for ids that are in use. They do not quote the server, which names the columns of its index.

use omniq_core::Error;
use uuid::Uuid;

/// The index by which task ids are unique, as the schema names it.
const TASKS: &str = "tasks_id";
/// The rule that no new task has the id of a kept result, as the schema names it.
const RESULTS: &str = "results_task";

/// The error for a key that another task holds. The detail has the task's id and then the key, which may hold an id, too.
pub(crate) fn key_held(detail: Option<&str>, message: String) -> Error {
    match detail.and_then(|detail| detail.split_once(' ')) {
        Some((holder, key)) => Error::key_held(key, holder),
        // The server may be configured to leave details out.
        None => Error::duplicate(message),
    }
}

/// The error for a violated rule of uniqueness, from the server's report.
pub(crate) fn error(rule: Option<&str>, detail: Option<&str>, message: &str) -> Error {
    match (rule, detail.and_then(id_in)) {
        (Some(TASKS), Some(id)) => Error::id_in_use(id),
        (Some(RESULTS), Some(id)) => Error::id_has_result(id),
        // The server may be configured to leave details out.
        (Some(TASKS | RESULTS), None) => Error::duplicate("the id is in use already: give another, or none"),
        (rule, _) => Error::duplicate(format!(
            "the database refused a value by its rule {:?}: {message}",
            rule.unwrap_or_default()
        )),
    }
}

/// The id in a detail, in whatever language the detail is.
fn id_in(detail: &str) -> Option<Uuid> {
    let mut words = detail.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
    words.find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 12, errors: the message named the columns of the index, and gave the remedy twice.
    #[test]
    fn ids_that_are_taken_are_named_in_our_words() {
        let id = "01a225e5-fa21-71b3-882e-7e3108f30000";
        let kept = format!("the result of an earlier task with the id {id} is still kept");
        for (rule, detail, words) in [
            (
                TASKS,
                format!("Key (id, count)=({id}, 1) already exists."),
                "is in use already: give another, or none",
            ),
            (TASKS, format!("Schlüssel »(id, count)=({id}, 1)« existiert bereits."), "give another, or none"),
            (RESULTS, kept, "is still kept: delete it to use the id again, or give another"),
        ] {
            let error = error(Some(rule), Some(&detail), "a rule was broken");
            assert!(error.is_duplicate(), "{error:?}");
            assert!(error.message().contains(id) && error.message().ends_with(words), "{error}");
            assert!(!error.message().contains("count"), "{error}");
        }
        assert!(error(Some(TASKS), None, "").message().contains("the id is in use already"));
        // A rule that the user has added.
        let detail = Some("Key (customer)=(Ann) already exists.");
        let own = error(Some("one_per_customer"), detail, "a rule was broken");
        assert!(
            own.is_duplicate() && own.message().ends_with("\"one_per_customer\": a rule was broken"),
            "{own}"
        );
    }
}
