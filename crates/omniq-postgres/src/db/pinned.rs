//! Test: no setting of a role reaches a statement, in whichever way its sessions are made.

use omniq_testkit::{Pooler, TestDb};

use crate::db::Db;
use crate::db::pins::PLANNING;
use crate::settings::Settings;
use crate::sql::Columns;
use crate::sql::Statement;

const HOSTILE: &str = include_str!("../../tests/hostile.sql");

/// Settings beyond those that the interface tests use.
const MORE: &str = "
    alter role {role} set idle_session_timeout = '1min';
    alter role {role} set timezone_abbreviations = 'Australia';
    alter role {role} set check_function_bodies = off;
    alter role {role} set omniq.direct = off;
    alter role {role} set plan_cache_mode = force_custom_plan;
    alter role {role} set enable_seqscan = on;
    alter role {role} set enable_bitmapscan = on;
    alter role {role} set jit = on";

/// Settings that are left to the user.
const LEFT: [&str; 2] = ["escape_string_warning", "lc_messages"];

/// The settings that a statement takes from the role, and `omniq.direct`, which that view does not list.
const OF_THE_ROLE: &str = "
    select array_agg(name order by name) filter (where source = 'user'), current_setting('omniq.direct')
    from pg_catalog.pg_settings";

/// Issue 12, C6. Directly, and through poolers that hand out whole sessions, or single transactions.
#[tokio::test]
async fn a_role_sets_nothing_that_statements_rely_on() {
    let modes = [None, Some("pool_mode = session\ndefault_pool_size = 20"), Some("")];
    for mode in modes {
        let db = TestDb::new().await;
        let (admin, role) = (db.client().await, format!("pinned_{}", db.name()));
        let sql = format!("{HOSTILE};{MORE}").replace("{role}", &role).replace("{database}", db.name());
        admin.batch_execute(&sql).await.unwrap();
        let url = db.url();
        let (_, address) = url.rsplit_once('@').unwrap();
        let url = format!("postgresql://{role}:secret@{address}");
        let pooler = mode.map(|mode| Pooler::at(&url, mode));
        let url = pooler.as_ref().map_or(url.as_str(), Pooler::url);
        let opened = Db::open(&Settings::from_url(url).unwrap()).await.unwrap();

        let file = format!("-- read only\n{OF_THE_ROLE}");
        let look = Statement::new(&opened.schema, "probe", &file, &[]);
        let row = opened.one(&look, &[]).await.unwrap();
        let mut columns = Columns::new(&row);
        let (found, direct): (Vec<String>, String) = (columns.take().unwrap(), columns.take().unwrap());
        let mut left: Vec<&str> = LEFT.to_vec();
        if mode == Some("") {
            // Statements that are not prepared are planned with the actual values.
            left.extend(PLANNING.map(|(name, _)| name));
        }
        left.sort_unstable();
        assert_eq!(
            (found, direct.as_str()),
            (left.into_iter().map(str::to_owned).collect(), "on"),
            "{mode:?}"
        );
        assert_eq!(opened.sessions.keeps(), mode != Some(""), "{mode:?}");
        opened.close().await;
        drop(pooler);
        admin.batch_execute(&format!("drop owned by {role}; drop role {role}")).await.unwrap();
    }
}
