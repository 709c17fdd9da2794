//! What is said of ids that are taken: in our words, as the server names the columns of its index.

use omniq_core::Error;
use uuid::Uuid;

/// The rule by which no two tasks have one id; the schema calls it so.
const TASKS: &str = "tasks_id";
/// The rule by which no new task has the id of a result.
const RESULTS: &str = "results_task";

/// The error for a rule of uniqueness that was broken, from what the server reported.
pub(crate) fn error(rule: Option<&str>, detail: Option<&str>, message: &str) -> Error {
    match (rule, detail.and_then(id_in)) {
        (Some(TASKS), Some(id)) => Error::id_in_use(id),
        (Some(RESULTS), Some(id)) => Error::id_has_result(id),
        // A server may be told to leave details out.
        (Some(TASKS | RESULTS), None) => Error::duplicate("the id is in use already: give another, or none"),
        (rule, _) => Error::duplicate(format!(
            "the database refused a value by its rule {:?}: {message}",
            rule.unwrap_or_default()
        )),
    }
}

/// The id that a detail names, in whichever language it is.
fn id_in(detail: &str) -> Option<Uuid> {
    let mut words = detail.split(|letter: char| !letter.is_ascii_hexdigit() && letter != '-');
    words.find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Issue 12, errors: the columns of the index stood in the message, and the remedy twice.
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
        // A rule of the user's own.
        let detail = Some("Key (customer)=(Ann) already exists.");
        let own = error(Some("one_per_customer"), detail, "a rule was broken");
        assert!(
            own.is_duplicate() && own.message().ends_with("\"one_per_customer\": a rule was broken"),
            "{own}"
        );
    }
}
