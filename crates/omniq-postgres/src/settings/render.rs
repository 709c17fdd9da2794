//! Renders an address as a URL, with its password or with stars instead.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::DatabaseUrl;

/// All characters but those that RFC 3986 leaves unreserved.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// Parameters whose values may hold a secret: `options` sets any variable of the session, a part can be a whole URL.
const SECRET: [&str; 5] = ["password", "options", "tasks", "results", "events"];

impl DatabaseUrl {
    pub(super) fn render(&self, masked: bool) -> String {
        let value = |name: &str, value: &str| match masked && SECRET.contains(&name) {
            true => "***".into(),
            false => encode(value),
        };
        let mut url = String::from("postgresql://");
        let mut rest = self.parameters().clone();
        let mut in_query = Vec::new();

        let user = rest.remove("user");
        let password = rest.remove("password");
        url.push_str(&user.as_deref().map(encode).unwrap_or_default());
        if let Some(password) = &password {
            url.push(':');
            url.push_str(&value("password", password));
        }
        if user.is_some() || password.is_some() {
            url.push('@');
        }
        match self.authority() {
            Some(hosts) => {
                url.push_str(&hosts);
                rest.remove("host");
                rest.remove("port");
            }
            None => in_query.extend(["host", "port"].iter().filter_map(|name| rest.remove_entry(*name))),
        }
        if let Some(database) = rest.remove("dbname") {
            url.push('/');
            url.push_str(&encode(&database));
        }
        in_query.extend(rest);
        in_query.extend(self.setting_values().clone());
        for (index, (name, text)) in in_query.iter().enumerate() {
            url.push(if index == 0 { '?' } else { '&' });
            url.push_str(&format!("{name}={}", value(name, text)));
        }
        url
    }

    /// `host:port,host:port`, unless hosts and ports do not pair up one to one.
    fn authority(&self) -> Option<String> {
        let Some(hosts) = self.get("host") else {
            return self.get("port").is_none().then(String::new);
        };
        let hosts: Vec<&str> = hosts.split(',').collect();
        let ports: Vec<&str> = self.get("port").map_or_else(Vec::new, |ports| ports.split(',').collect());
        if hosts.iter().all(|host| host.is_empty()) || !(ports.is_empty() || ports.len() == hosts.len()) {
            return None;
        }
        let pairs = hosts.iter().enumerate().map(|(index, host)| {
            let host =
                if host.contains(':') && !host.starts_with('/') { format!("[{host}]") } else { encode(host) };
            match ports.get(index) {
                Some(port) if !port.is_empty() => format!("{host}:{port}"),
                _ => host,
            }
        });
        Some(pairs.collect::<Vec<_>>().join(","))
    }
}

fn encode(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
