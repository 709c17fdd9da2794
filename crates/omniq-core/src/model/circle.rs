//! Whether tasks of one call wait for each other in a circle.

use std::collections::HashMap;

use super::{After, NewTask, TaskId};
use crate::{Error, Result};

/// Checks the dependencies of tasks that are enqueued in one call, and says whether there are any. Errors `is_invalid`: a circle, which is named, and
/// tasks of which some are unique.
pub fn check_after(tasks: &[NewTask]) -> Result<bool> {
    if tasks.iter().all(|task| task.after.is_none()) {
        return Ok(false);
    }
    if let Some(task) = tasks.iter().find(|task| task.unique.is_some()) {
        return Err(Error::invalid(format!(
            "a task for {:?} is unique, in a call with tasks that run after others: enqueue it by a call of its own without `after`, \
             because another task may be there in its place",
            task.func
        )));
    }
    let places: HashMap<TaskId, usize> =
        tasks.iter().enumerate().filter_map(|(place, task)| Some((task.id?, place))).collect();
    // A list that many tasks share is walked once: it is a place of its own, behind those of the tasks.
    let (mut lists, mut list_of): (Vec<&After>, HashMap<&After, usize>) = (Vec::new(), HashMap::new());
    let mut before: Vec<Option<usize>> = Vec::with_capacity(tasks.len());
    for task in tasks {
        before.push(task.after.as_ref().map(|after| {
            *list_of.entry(after).or_insert_with(|| {
                lists.push(after);
                tasks.len() + lists.len() - 1
            })
        }));
    }
    let next = |place: usize| -> Box<dyn Iterator<Item = usize> + '_> {
        match place.checked_sub(tasks.len()) {
            None => Box::new(before[place].into_iter()),
            Some(list) => Box::new(lists[list].tasks.iter().filter_map(|id| places.get(id).copied())),
        }
    };
    // Depth first, without recursion: the path holds each place with what is left of those before it.
    let count = tasks.len() + lists.len();
    let (mut is_seen, mut is_on_path) = (vec![false; count], vec![false; count]);
    for start in 0..tasks.len() {
        if std::mem::replace(&mut is_seen[start], true) {
            continue;
        }
        is_on_path[start] = true;
        let mut path = vec![(start, next(start))];
        while let Some((place, left)) = path.last_mut() {
            let Some(found) = left.next() else {
                is_on_path[*place] = false;
                path.pop();
                continue;
            };
            if is_on_path[found] {
                let circle = path.iter().map(|(place, _)| *place).skip_while(|place| *place != found);
                return Err(self::circle(tasks, circle.filter(|place| *place < tasks.len()).collect()));
            }
            if !std::mem::replace(&mut is_seen[found], true) {
                is_on_path[found] = true;
                path.push((found, next(found)));
            }
        }
    }
    Ok(true)
}

/// The most tasks of a circle that its error names.
const NAMED: usize = 10;

fn circle(tasks: &[NewTask], circle: Vec<usize>) -> Error {
    let name = |place: &usize| match tasks[*place].id {
        Some(id) => format!("{} ({id})", tasks[*place].func),
        None => tasks[*place].func.clone(),
    };
    let mut names: Vec<String> = circle.iter().take(NAMED).map(name).collect();
    if circle.len() > NAMED {
        names.push(format!("{} more", circle.len() - NAMED));
    }
    names.extend(circle.first().map(name));
    Error::invalid(format!(
        "tasks wait for each other in a circle, and none would ever run: {}",
        names.join(" after ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(count: usize) -> Vec<NewTask> {
        let mut tasks: Vec<NewTask> =
            (0..count).map(|number| NewTask::new(format!("f{number}"), &()).unwrap()).collect();
        for place in 1..count {
            let before = tasks[place - 1].own_id();
            tasks[place] = tasks[place].clone().after([before]);
        }
        tasks
    }

    #[test]
    fn a_circle_is_refused_and_named_and_a_long_chain_is_not() {
        assert!(!check_after(&[NewTask::new("f", &()).unwrap()]).unwrap());
        assert!(check_after(&chain(100_000)).unwrap());
        let mut tasks = chain(5);
        tasks.reverse();
        assert!(check_after(&tasks).unwrap(), "the order of the call does not matter");
        let last = tasks[0].own_id();
        tasks[3] = tasks[3].clone().after([last]);
        let error = check_after(&tasks).unwrap_err();
        assert!(error.is_invalid());
        let text = error.to_string();
        let funcs: Vec<&str> =
            text.split(" after ").map(|part| part.split(' ').next_back().unwrap()).collect();
        assert_eq!(funcs.len(), 5, "{text}");
        assert!(
            ["f1", "f2", "f3", "f4"].iter().all(|func| text.contains(func)) && !text.contains("f0 ("),
            "{text}"
        );
        let mut own = NewTask::new("f", &()).unwrap();
        let id = own.own_id();
        let error = check_after(&[own.after([id])]).unwrap_err().to_string();
        assert!(error.contains(&format!("f ({id}) after f ({id})")), "{error}");
    }
}
