//! Folders for the demo to read, and the checksums of `sha256sum` for them.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::Command;

/// Creates names and kinds of files that break careless programs. Returns the number of regular files.
pub fn hostile(root: &Path) -> usize {
    let names: [&[u8]; 12] = [
        b"plain",
        b"with space",
        b"-rf",
        b"line\nbreak",
        b"tab\tand\x1b[31mcolour",
        b"quote'\"`$(x)",
        b"back\\slash\\n",
        b"not\xff\xfetext",
        b"not\xff\xfdtext",
        "übung".as_bytes(),
        b"u\xcc\x88bung",
        b"*?[]{}",
    ];
    let deep = root.join("a").join(OsStr::from_bytes(b"b\xff")).join("c");
    fs::create_dir_all(&deep).expect("folders");
    for (place, name) in names.iter().enumerate() {
        let name = OsStr::from_bytes(name);
        fs::write(root.join(name), format!("content {}\n", place % 5)).expect("a file");
        fs::write(deep.join(name), [name.as_bytes(), b"\n"].concat()).expect("a file");
    }
    fs::write(root.join("empty 1"), "").expect("a file");
    fs::write(deep.join("empty 2"), "").expect("a file");
    // Longer than one read of the handler, without a line break at the end.
    let long = "a line of text\n".repeat(100_000) + "end";
    fs::write(root.join("long 1"), &long).expect("a file");
    fs::write(deep.join("long 2"), &long).expect("a file");
    fs::hard_link(root.join("long 1"), root.join("long 3, the same file")).expect("a link");

    std::os::unix::fs::symlink("long 1", root.join("link to a file")).expect("a link");
    std::os::unix::fs::symlink(root, deep.join("link to the top")).expect("a link");
    std::os::unix::fs::symlink("nowhere", root.join("broken link")).expect("a link");
    let made = Command::new("mkfifo").arg(root.join("pipe")).status().expect("mkfifo runs");
    assert!(made.success());
    std::os::unix::net::UnixListener::bind(root.join("socket")).expect("a socket");
    2 * names.len() + 5
}

/// Many small files; a third of them have the same content.
pub fn many(root: &Path, count: usize) {
    for number in 0..count {
        let folder = root.join(format!("{}", number % 50));
        if number < 50 {
            fs::create_dir(&folder).expect("a folder");
        }
        let content = if number % 3 == 0 { "the same\n".to_owned() } else { format!("{number}\n") };
        fs::write(folder.join(format!("file {number}")), content).expect("a file");
    }
}

/// The checksums by `sha256sum` of all regular files, by path as bytes.
pub fn sums(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let output = Command::new("find")
        .arg(root)
        .args(["-type", "f", "-exec", "sha256sum", "--zero", "{}", "+"])
        .output()
        .expect("find and sha256sum run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = output.stdout.split(|byte| *byte == 0).filter(|line| !line.is_empty());
    lines.map(|line| (line[66..].to_vec(), String::from_utf8_lossy(&line[..64]).into_owned())).collect()
}
