//! Test: each role can execute its statements, with exactly the privileges that `docs/roles.md` lists. `explain` checks privileges as an
//! execution does.

use omniq_testkit::TestDb;

use super::heads::Head;
use super::plans::explained;
use super::schema::Schema;
use super::{Statement, Statements};
use crate::AsyncPostgresBackend;
use crate::settings::{Placement, Settings};

const DOC: &str = include_str!("../../../../docs/roles.md");

/// What a role is for, by the heads of the statements.
type Kind = (&'static str, fn(&Head) -> bool);

/// Only the owner counts anew, because all writers wait meanwhile.
const KINDS: [Kind; 3] = [
    ("worker", |head| head.name != "recount"),
    ("reader", Head::is_read_only),
    ("enqueuer", |head| head.room == "enqueue"),
];

#[tokio::test]
async fn c27_each_role_may_execute_its_statements() {
    let db = TestDb::new().await;
    let settings = Settings::builder().url(db.url()).events(Placement::Postgres).build().unwrap();
    AsyncPostgresBackend::with_settings(&settings).await.unwrap().close().await.unwrap();
    let client = db.client().await;
    let (sql, heads) = (Statements::new(&Schema::new("omniq").unwrap()), Head::all());
    let mut wrong = Vec::new();
    for (kind, may) in KINDS {
        let role = format!("{kind}_of_statements_{}", db.name());
        let begin = format!("```sql\n-- {kind}\n");
        let (_, block) = DOC.split_once(&begin).expect("the page has a block for it");
        let grants = block[..block.find("```").unwrap()].replace("app_role", &role);
        client.batch_execute(&format!("create role {role}; {grants}; set role {role}")).await.unwrap();
        for (name, statement) in sql.all() {
            let head = &heads[Head::of(&heads, &name)];
            let nulls = vec!["null"; Statement::params(statement).count()];
            let answer = explained(&client, statement, &nulls).await;
            // What happens within a function of the schema, with the caller's rights, `explain` does not show.
            let writes_tasks = ["insert into", "update", "delete from"]
                .iter()
                .any(|verb| statement.text.contains(&format!("{verb} \"omniq\".tasks")));
            match answer {
                Err(error) if may(head) => wrong
                    .push(format!("{kind}, {name}: {:?}", error.as_db_error().map(|error| error.message()))),
                Ok(_) if !may(head) && writes_tasks => wrong.push(format!("{kind} can execute {name}")),
                _ => {}
            }
        }
        client.batch_execute(&format!("reset role; drop owned by {role}; drop role {role}")).await.unwrap();
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
