//! A server that ends with its owner.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use crate::support::{Stop, again, eventually, handed_over, owned, quick, temp};
use omniq_embedded::{Server, StopMode};

#[test]
fn owner() {
    if let Some(data_dir) = handed_over() {
        // Started by a thread that ends at once: the end of the thread must not end the server.
        let start = move || Server::start(owned(&data_dir)).expect("an owned start");
        let server = std::thread::spawn(start).join().expect("no panic");
        std::thread::sleep(Duration::from_millis(300));
        println!("answer {}", server.is_running());
        std::thread::sleep(Duration::from_secs(60));
    }
}

#[test]
fn it_ends_when_its_handle_is_dropped() {
    let temp = temp();
    let server = Server::start(owned(temp.path())).expect("a start");
    let pid = server.pid().expect("it runs");
    drop(server);
    assert!(Server::attach(quick(temp.path())).expect("a look").is_none());
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists(), "it was not collected");
}

#[test]
fn it_ends_when_its_owner_is_killed() {
    let temp = temp();
    let _stop = Stop(temp.path().to_owned());
    let mut child = again("owned::owner", temp.path()).stdout(Stdio::piped()).spawn().expect("ourselves");
    let output = BufReader::new(child.stdout.take().expect("piped"));
    let mut answers = output.lines().map_while(Result::ok).filter(|line| line.contains("answer"));
    assert!(answers.next().expect("an answer").ends_with("true"));
    let server = Server::attach(quick(temp.path())).expect("a look").expect("it runs");
    child.kill().expect("SIGKILL");
    child.wait().expect("its end");
    eventually("the server has ended", || server.pid().is_none());
}

#[test]
fn two_owners_are_refused() {
    let temp = temp();
    let _first = Server::start(owned(temp.path())).expect("a start");
    let error = Server::start(owned(temp.path())).expect_err("one runs already");
    assert!(error.is_already_running(), "{error}");
}

#[test]
fn a_successor_in_the_same_folder_is_left_alone() {
    let temp = temp();
    let _stop = Stop(temp.path().to_owned());
    let first = Server::start(owned(temp.path())).expect("a start");
    let mut other = Server::attach(quick(temp.path())).expect("a look").expect("it runs");
    other.stop(StopMode::Fast).expect("anyone may stop it");
    let next = Server::start(quick(temp.path())).expect("a shared successor");
    drop(first);
    assert!(next.is_running());
}
