//! What a server reports about itself: its addresses, its folders, its state.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::programs::Programs;
use crate::server::Server;
use crate::{launch, process};

impl Server {
    /// Whether the server takes connections at this moment.
    pub fn is_running(&self) -> bool {
        launch::ready(&self.folder.data()).is_some()
    }

    /// The process id of the server, while it runs.
    pub fn pid(&self) -> Option<u32> {
        process::running(&self.folder.data()).map(|running| running.pid)
    }

    /// The TCP port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.running.port
    }

    /// The folder of the Unix socket. For root's servers only root and the server's user may enter it.
    pub fn socket_dir(&self) -> &Path {
        Path::new(&self.running.socket_dir)
    }

    /// The data folder.
    pub fn data_dir(&self) -> &Path {
        self.folder.root()
    }

    /// The server's log.
    pub fn log_file(&self) -> PathBuf {
        self.folder.log()
    }

    /// The major version of the data folder, such as 18.
    pub fn version(&self) -> u32 {
        let text = std::fs::read_to_string(self.folder.data().join("PG_VERSION"));
        text.ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }

    /// The URL of the database `omniq`. It holds the password.
    pub fn url(&self) -> String {
        self.url_for("omniq")
    }

    /// The URL of another database of this server. It holds the password.
    pub fn url_for(&self, database: &str) -> String {
        let name: String = database.bytes().map(escape).collect();
        format!("postgresql://omniq:{}@127.0.0.1:{}/{name}", self.password, self.running.port)
    }

    /// The program `psql`, connected to the database `omniq`; arguments may be added. The password goes through a file,
    /// so that it is in no list of processes.
    pub fn psql_command(&self) -> Command {
        let programs = Programs::locate_for(&self.options).ok();
        let beside = programs.map(|programs| programs.program("psql")).filter(|psql| psql.is_file());
        let mut command = Command::new(beside.unwrap_or_else(|| "psql".into()));
        command.args(["-h", "127.0.0.1", "-U", "omniq", "-d", "omniq", "-p"]).arg(self.port().to_string());
        command.env("PGPASSFILE", self.folder.passfile());
        command
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Server");
        shown.field("data_dir", &self.data_dir()).field("port", &self.port()).field("pid", &self.pid());
        shown.finish_non_exhaustive()
    }
}

fn escape(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
        return char::from(byte).to_string();
    }
    format!("%{byte:02X}")
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn database_names_are_escaped_for_the_url() {
        let escaped: String = "a/b ä?%".bytes().map(escape).collect();
        assert_eq!(escaped, "a%2Fb%20%C3%A4%3F%25");
    }
}
