//! `docs/states.md` and the code agree.

use omniq_core::{Step, TaskState, Verb};

const DOCUMENT: &str = include_str!("../../../docs/states.md");

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

#[test]
fn the_table_is_what_the_code_does() {
    let mut lines = DOCUMENT.lines().skip_while(|line| !line.starts_with("| Verb | blocked"));
    let states: Vec<TaskState> = cells(lines.next().expect("the table is there"))[1..]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    assert_eq!(states, TaskState::ALL);
    let mut verbs = Vec::new();
    for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
        let row = cells(line);
        assert_eq!(row.len(), states.len() + 1, "{line}");
        let verb = Verb::ALL.into_iter().find(|verb| format!("{verb:?}") == row[0]);
        let verb = verb.unwrap_or_else(|| panic!("there is no verb {}", row[0]));
        for (state, cell) in states.iter().zip(&row[1..]) {
            let written = match *cell {
                "–" => Step::No,
                "gone" => Step::Gone,
                name => Step::To(name.parse().unwrap()),
            };
            assert_eq!(written, state.after(verb), "{verb:?} on {state}");
        }
        verbs.push(verb);
    }
    assert_eq!(verbs, Verb::ALL, "each verb has its row");
}

#[test]
fn every_state_and_verb_is_explained() {
    for state in TaskState::ALL {
        assert!(DOCUMENT.contains(&format!("`{state}`")), "{state}");
    }
    let (_, effects) = DOCUMENT.split_once("## What else a verb does").unwrap();
    for verb in Verb::ALL {
        assert!(effects.contains(&format!("| {verb:?}")), "{verb:?}");
    }
}

#[test]
fn names_survive_text() {
    for state in TaskState::ALL {
        assert_eq!(state.name().parse::<TaskState>().unwrap(), state);
    }
    assert!("sleeping".parse::<TaskState>().unwrap_err().is_invalid());
}
