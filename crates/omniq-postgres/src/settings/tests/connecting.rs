//! The configuration of the driver.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};

use super::refusal;
use crate::settings::Settings;

fn config(url: &str) -> Config {
    Settings::from_url(url).and_then(|settings| settings.connect_config()).expect(url).0
}

fn tcp(name: &str) -> Host {
    Host::Tcp(name.into())
}

#[test]
fn hostile_passwords_reach_the_driver_whole() {
    for password in ["p@ss:w/ord%", "a'b\\c", "?#&= +", "ünï✓", "%41", "\"$1;--"] {
        let encoded = percent_encoding::utf8_percent_encode(password, percent_encoding::NON_ALPHANUMERIC);
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        for address in [
            format!("postgresql://me:{encoded}@h/db"),
            format!("postgresql://me@h/db?password={encoded}"),
            format!("host=h user=me dbname=db password = '{quoted}'"),
        ] {
            assert_eq!(config(&address).get_password(), Some(password.as_bytes()), "{address}");
        }
    }
    // Host names hold no @, so an address with an unencoded one is still unambiguous.
    assert_eq!(config("postgresql://me:p@ss@h/db").get_password(), Some("p@ss".as_bytes()));
}

#[test]
fn c29_hosts_pass_through() {
    let several = config("postgresql://a:1,b,[::1]:3/db?target_session_attrs=read-write");
    assert_eq!(several.get_hosts(), [tcp("a"), tcp("b"), tcp("::1")]);
    assert_eq!(several.get_ports(), [1, 5432, 3]);
    assert_eq!(several.get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
    let numeric = config("hostaddr=127.0.0.1 port=7");
    assert_eq!(numeric.get_hosts(), [tcp("127.0.0.1")]);
    assert_eq!(config("postgresql://a,b/db?port=9").get_ports(), [9]);
    assert_eq!(config("postgresql://a/db?host=b").get_hosts(), [tcp("b")]);
}

#[test]
fn c29_sockets_carry_no_tls() {
    let folder = Host::Unix("/tmp/a b".into());
    for address in [
        "postgresql://%2Ftmp%2Fa%20b/db?sslmode=require",
        "postgresql:///db?host=/tmp/a%20b&sslmode=verify-full",
        "host='/tmp/a b' sslmode=require",
    ] {
        let (config, tls) = Settings::from_url(address).and_then(|s| s.connect_config()).expect(address);
        assert_eq!(config.get_hosts(), std::slice::from_ref(&folder), "{address}");
        assert_eq!(config.get_ssl_mode(), SslMode::Disable, "{address}");
        assert!(!tls.is_on(), "{address}");
    }
}

#[test]
fn c29_without_a_host_the_local_server_is_taken() {
    let hosts = config("postgresql:///db?port=1").get_hosts().to_vec();
    assert_eq!(hosts, [tcp("localhost")]);
}

#[test]
fn c29_timeouts_and_names_reach_the_driver() {
    let plain = config("postgresql://h/db");
    assert_eq!(plain.get_application_name(), Some("omniq"));
    assert_eq!(plain.get_connect_timeout(), Some(&Duration::from_secs(10)));
    assert!(plain.get_keepalives());
    assert_eq!(plain.get_keepalives_idle(), Duration::from_secs(30));
    assert_eq!(plain.get_keepalives_interval(), Some(Duration::from_secs(10)));
    assert_eq!(plain.get_keepalives_retries(), Some(3));
    assert_eq!(plain.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
    let own = config(
        "postgresql://h/db?application_name=app&connect_timeout=0.5&keepalives_idle=5&keepalives_count=9\
         &tcp_user_timeout=1500",
    );
    assert_eq!(own.get_application_name(), Some("app"));
    assert_eq!(own.get_connect_timeout(), Some(&Duration::from_millis(500)));
    assert_eq!(own.get_keepalives_idle(), Duration::from_secs(5));
    assert_eq!(own.get_keepalives_retries(), Some(9));
    assert_eq!(own.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(config("postgresql://h/db?tcp_user_timeout=0").get_tcp_user_timeout(), None);
    assert!(!config("postgresql://h/db?keepalives=0").get_keepalives());
}

#[test]
fn c29_a_connection_needs_a_url() {
    let settings = Settings::default();
    refusal(settings.connect_config().map(|_| settings.clone()), &["url", "OMNIQ_URL"]);
}
