//! A home folder with the files that libpq reads, and what an address becomes with them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio_postgres::Config;

use crate::settings::Settings;
use crate::settings::environment::Variables;

/// A user's folder, and the variables that name it.
pub(super) struct Home(pub(super) TempDir);

impl Home {
    pub(super) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Writes a file, private as libpq wants it.
    pub(super) fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        permit(&path, 0o600);
        path.to_str().unwrap().to_owned()
    }

    pub(super) fn completed(&self, url: &str, given: &[(&str, &str)]) -> omniq_core::Result<Settings> {
        let mut variables: Variables =
            given.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        // The machine's own files are not read.
        for (name, folder) in [("HOME", self.0.path()), ("PGSYSCONFDIR", Path::new("/nowhere"))] {
            variables.entry(name.to_owned()).or_insert_with(|| folder.into());
        }
        Settings::from_url(url).unwrap().completed_by(&variables)
    }

    /// The driver's configuration for each host.
    pub(super) fn configs(&self, url: &str, given: &[(&str, &str)]) -> Vec<Config> {
        let configs = self.completed(url, given).and_then(|settings| settings.connect_configs());
        let (configs, _) = configs.unwrap_or_else(|error| panic!("{url} {given:?}: {error}"));
        configs.into_iter().map(|(config, _)| config).collect()
    }

    pub(super) fn config(&self, url: &str, given: &[(&str, &str)]) -> Config {
        self.configs(url, given).remove(0)
    }

    pub(super) fn password(&self, url: &str, given: &[(&str, &str)]) -> Option<String> {
        self.config(url, given).get_password().map(|password| String::from_utf8(password.to_vec()).unwrap())
    }
}

pub(super) fn permit(path: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}
