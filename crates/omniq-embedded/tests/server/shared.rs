//! One server for all processes that name the same folder.

use std::collections::HashSet;
use std::process::Stdio;

use crate::support::{Stop, again, handed_over, query, quick, temp};
use omniq_embedded::Server;

#[test]
fn starter() {
    if let Some(data_dir) = handed_over() {
        let server = Server::start(quick(&data_dir)).expect("a shared start");
        println!("answer {:?} {}", server.pid(), server.url());
    }
}

#[test]
fn processes_that_start_at_once_share_one_server() {
    let temp = temp();
    let data_dir = temp.path().join("pg");
    let _stop = Stop(data_dir.clone());
    let start = |_| again("shared::starter", &data_dir).stdout(Stdio::piped()).spawn().expect("ourselves");
    let children: Vec<_> = (0..8).map(start).collect();
    let mut answers = HashSet::new();
    for child in children {
        let output = child.wait_with_output().expect("its end");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{text}");
        answers.extend(text.lines().filter_map(|line| Some(line.split_once("answer ")?.1.to_owned())));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    // All its starters have ended by now.
    let server = Server::attach(quick(&data_dir)).expect("a look").expect("it still runs");
    assert!(answers.contains(&format!("{:?} {}", server.pid(), server.url())));
    assert_eq!(query(&server, "select 1"), "1");
}

#[test]
fn threads_that_start_at_once_share_one_server() {
    let temp = temp();
    let data_dir = temp.path().join("pg");
    let _stop = Stop(data_dir.clone());
    let pids = std::thread::scope(|scope| {
        let start = || Server::start(quick(&data_dir)).expect("a shared start").pid();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect::<HashSet<_>>()
    });
    assert_eq!(pids.len(), 1);
}

#[test]
fn a_copied_folder_gets_a_server_of_its_own() {
    let temp = temp();
    let (first_dir, second_dir) = (temp.path().join("one"), temp.path().join("two"));
    let _stops = (Stop(first_dir.clone()), Stop(second_dir.clone()));
    let first = Server::start(quick(&first_dir)).expect("a start");
    let copy = std::process::Command::new("cp").arg("-a").args([&first_dir, &second_dir]).status();
    assert!(copy.expect("cp runs").success());
    assert!(Server::attach(quick(&second_dir)).expect("a look").is_none());
    let second = Server::start(quick(&second_dir)).expect("the copy starts");
    assert_ne!((first.pid(), first.port()), (second.pid(), second.port()));
    assert!(first.is_running() && second.is_running());
}
