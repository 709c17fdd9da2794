//! Passwords that libpq's password file adds to an address.

use std::path::Path;

use super::home::{Home, permit};

#[test]
fn passwords_are_found_as_libpq_finds_them() {
    let home = Home::new();
    home.write(".pgpass", "# hosts\nlocalhost:5432:*:me:local\na:5432:app:me:of a\nb:*:*:*:of b\n10.0.0.1:1:app:me:numeric\n*:*:*:nobody:x\n");
    let password = |url: &str| home.password(url, &[]);
    assert_eq!(password("postgresql://me@a/app").as_deref(), Some("of a"));
    assert_eq!(password("postgresql://me@a:1/app"), None);
    assert_eq!(password("postgresql://me@a/other"), None);
    // Without a host, and for the usual sockets.
    assert_eq!(password("postgresql://me@/app").as_deref(), Some("local"));
    assert_eq!(password("postgresql://me@%2Fvar%2Frun%2Fpostgresql/app").as_deref(), Some("local"));
    assert_eq!(password("postgresql://me@%2Fsomewhere/app"), None);
    assert_eq!(password("host=c hostaddr=10.0.0.1 port=1 user=me dbname=app"), None);
    assert_eq!(password("hostaddr=10.0.0.1 port=1 user=me dbname=app").as_deref(), Some("numeric"));
    // The user of the operating system, and the database of the user's name.
    let user = whoami::username().unwrap();
    home.write(".pgpass", &format!("*:*:{user}:{user}:mine"));
    assert_eq!(password("postgresql://a").as_deref(), Some("mine"));
    // The address, the service and PGPASSWORD win; PGPASSFILE names another file, and the address one that wins.
    let (one, two) = (home.write("one", "*:*:*:*:one"), home.write("two", "*:*:*:*:two"));
    let given = [("PGPASSFILE", one.as_str())];
    assert_eq!(home.password("postgresql://me@a/app", &given).as_deref(), Some("one"));
    assert_eq!(
        home.password(&format!("postgresql://me@a/app?passfile={two}"), &given).as_deref(),
        Some("two")
    );
    assert_eq!(home.password("postgresql://me:own@a/app", &given).as_deref(), Some("own"));
    let both = [given[0], ("PGPASSWORD", "env")];
    assert_eq!(home.password("postgresql://me@a/app", &both).as_deref(), Some("env"));
    assert_eq!(home.password("postgresql://me@a/app?passfile=/nowhere", &[]), None);
}

#[test]
fn each_host_has_the_password_of_its_own_line() {
    let home = Home::new();
    home.write(".pgpass", "a:1:*:*:of a\nb:2:*:*:of b\n");
    let configs = home.configs("postgresql://me@a:1,b:2,c:3/app", &[]);
    let passwords: Vec<_> = configs.iter().map(|config| config.get_password()).collect();
    assert_eq!(passwords, [Some(b"of a".as_slice()), Some(b"of b"), None]);
}

/// The log of what is done, as text.
fn logged(work: impl FnOnce()) -> String {
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);
    impl Write for Log {
        fn write(&mut self, text: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().write(text)
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt().with_writer(move || log.clone()).with_ansi(false).finish();
    tracing::subscriber::with_default(subscriber, work);
    let text = written.0.lock().unwrap().clone();
    String::from_utf8(text).unwrap()
}

#[test]
fn a_password_file_that_others_may_read_is_ignored_with_a_warning() {
    let home = Home::new();
    let file = home.write(".pgpass", "*:*:*:*:geheim");
    for mode in [0o640, 0o604, 0o660] {
        permit(Path::new(&file), mode);
        let log = logged(|| assert_eq!(home.password("postgresql://me@a/app", &[]), None));
        let words =
            [".pgpass is ignored: its group or others may access it; set its permissions to 0600", "WARN"];
        assert!(words.iter().all(|word| log.contains(word)) && !log.contains("geheim"), "{log}");
        // Nobody is warned of a file that is not needed.
        let log = logged(|| drop(home.password("postgresql://me:own@a/app", &[])));
        assert!(!log.contains("ignored"), "{log}");
    }
    permit(Path::new(&file), 0o600);
    assert_eq!(home.password("postgresql://me@a/app", &[]).as_deref(), Some("geheim"));
    let folder = home.0.path().to_str().unwrap();
    let log = logged(|| assert_eq!(home.password("postgresql://me@a/app", &[("PGPASSFILE", folder)]), None));
    assert!(log.contains("it is not a plain file"), "{log}");
    // Neither the settings nor an error shows what was found.
    let settings = home.completed("postgresql://me@a/app", &[("PGPASSWORD", "hidden")]).unwrap();
    assert!(!format!("{settings} {settings:?}").contains("hidden"), "{settings:?}");
}
