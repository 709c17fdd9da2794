//! The statements: each a file under `sql/queries`, named here once, with the types of its parameters. And what goes into and comes out
//! of them.

mod columns;
pub(crate) mod jsonb;
#[cfg(test)]
mod plans;
pub(crate) mod schema;
pub(crate) mod time;
mod values;

use tokio_postgres::types::Type;

pub(crate) use self::columns::{Columns, Faults, count_of, stored_error, unsigned};
use self::schema::Schema;
pub(crate) use self::values::{json, object, seconds, signed};

/// One statement, ready to be sent.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) types: Vec<Type>,
    /// Whether it changes nothing: it may be sent again, and to a server that takes no writes.
    pub(crate) reads: bool,
}

/// Pieces of SQL that several statements share.
const PARTS: &[(&str, &str)] = &[
    ("{task_columns}", include_str!("../../sql/queries/task_columns.sql")),
    ("{claimable}", include_str!("../../sql/queries/claimable.sql")),
    ("{present}", include_str!("../../sql/queries/present.sql")),
    ("{here}", include_str!("../../sql/queries/here.sql")),
    ("{deltas}", include_str!("../../sql/queries/deltas.sql")),
    ("{locked}", include_str!("../../sql/queries/locked.sql")),
    ("{task_filter}", include_str!("../../sql/queries/task_filter.sql")),
    ("{result_columns}", include_str!("../../sql/queries/result_columns.sql")),
    ("{result_filter}", include_str!("../../sql/queries/result_filter.sql")),
    ("{result_present}", include_str!("../../sql/queries/result_present.sql")),
    ("{result_live}", include_str!("../../sql/queries/result_live.sql")),
    ("{event_columns}", include_str!("../../sql/queries/event_columns.sql")),
    ("{event_filter}", include_str!("../../sql/queries/event_filter.sql")),
    ("{settle_fence}", include_str!("../../sql/queries/settle_fence.sql")),
    ("{settle_changes}", include_str!("../../sql/queries/settle_changes.sql")),
    ("{settle_done}", include_str!("../../sql/queries/settle_done.sql")),
    ("{lock_holders}", include_str!("../../sql/queries/lock_holders.sql")),
];

/// What comes into `settle.sql` only for batches that need it: by [`Extras`].
const STORED: &str = include_str!("../../sql/queries/settle_result.sql");
const LOGGED: &str = include_str!("../../sql/queries/settle_event.sql");
const STAYS: &[(&str, &str)] = &[
    ("{stays}", include_str!("../../sql/queries/settle_stays.sql")),
    ("{stays_columns}", include_str!("../../sql/queries/settle_stays_columns.sql")),
    ("{stays_moved}", include_str!("../../sql/queries/settle_stays_moved.sql")),
    ("{stays_notify}", include_str!("../../sql/queries/settle_stays_notify.sql")),
];

/// What a batch of settlements is about, beside the tasks that leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extras {
    pub(crate) results: bool,
    pub(crate) events: bool,
    /// Tasks that stay in the table: they come back, are dead letters, or are kept as completed.
    pub(crate) stays: bool,
    /// Rows that others hold by a lock are passed over, not waited for.
    pub(crate) past: bool,
}

impl Extras {
    fn all() -> [Self; 16] {
        std::array::from_fn(|bits| Self {
            results: bits & 1 > 0,
            events: bits & 2 > 0,
            stays: bits & 4 > 0,
            past: bits & 8 > 0,
        })
    }
}

macro_rules! statements {
    ($($name:ident($($ty:ident),*) $($reads:ident)?;)*) => {
        /// All statements for one schema.
        #[derive(Debug)]
        pub(crate) struct Statements {
            $(pub(crate) $name: Statement,)*
            settle: [Statement; 16],
        }

        impl Statements {
            pub(crate) fn new(schema: &Schema) -> Self {
                Self {
                    $($name: Statement {
                        text: schema.fill(
                            include_str!(concat!("../../sql/queries/", stringify!($name), ".sql")), PARTS),
                        types: vec![$(Type::$ty),*],
                        reads: matches!([$(stringify!($reads),)? ""][0], "reads"),
                    },)*
                    settle: Extras::all().map(|extras| settle(schema, extras)),
                }
            }

            /// Every statement with its file's name, for tests of their plans.
            #[cfg(test)]
            pub(crate) fn all(&self) -> Vec<(&'static str, &Statement)> {
                let verbs = [$((stringify!($name), &self.$name)),*];
                verbs.into_iter().chain(self.settle.iter().map(|settle| ("settle", settle))).collect()
            }
        }
    };
}

statements! {
    enqueue_many(
        UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY, INT2_ARRAY, INT4_ARRAY, TEXT_ARRAY,
        FLOAT8_ARRAY, FLOAT8_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BOOL_ARRAY);
    enqueue_in_transaction(
        UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY, INT2_ARRAY, INT4_ARRAY, TEXT_ARRAY,
        FLOAT8_ARRAY, FLOAT8_ARRAY, TEXT_ARRAY, TEXT_ARRAY, BOOL_ARRAY, TEXT, TEXT);
    log_enqueued(UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY);
    database_id() reads;
    enqueue_segment(UUID, TEXT, TEXT, TEXT, BYTEA_ARRAY, INT2, INT4, TEXT, FLOAT8, FLOAT8, TEXT, TEXT);
    enqueue_one(UUID, TEXT, TEXT, TEXT, BYTEA_ARRAY, INT2, INT4, TEXT, FLOAT8, FLOAT8, TEXT, TEXT);
    promote(TEXT_ARRAY);
    dequeue(TEXT_ARRAY, INT4, INT8, TEXT_ARRAY, INT4, INT4, INT2_ARRAY, INT8_ARRAY);
    await_claims(INT8);
    contended(TEXT_ARRAY, TEXT_ARRAY) reads;
    orphaned_claims(INT8) reads;
    get(UUID_ARRAY) reads;
    list(TEXT, INT2, BOOL, TEXT, UUID, INT4, INT8) reads;
    count(TEXT, INT2, BOOL) reads;
    count_of_func(TEXT, INT2, BOOL, TEXT) reads;
    roll_up_counts(INT4);
    recount();
    purge(TEXT, INT2, BOOL, TEXT);
    purge_left(TEXT, INT2, BOOL, TEXT);
    update(UUID, TEXT, INT2, TIMESTAMPTZ, BYTEA, TEXT, INT4, JSONB);
    single_out(UUID_ARRAY);
    single_out_held(UUID, UUID, INT8, INT4);
    complete_raw(TEXT, BYTEA);
    cancel(UUID_ARRAY, BOOL);
    retry(UUID_ARRAY);
    delete(UUID_ARRAY);
    pause(TEXT);
    resume(TEXT);
    queues() reads;
    register_worker(TEXT, TEXT_ARRAY, FLOAT8);
    deregister_worker(INT8);
    heartbeat(INT8, INT8);
    end_workers();
    lost(INT8_ARRAY, INT8);
    forget_workers(INT8_ARRAY);
    blocked_rescues(INT8_ARRAY) reads;
    busy(UUID_ARRAY, UUID_ARRAY, UUID_ARRAY, VARBIT_ARRAY, INT8_ARRAY, INT4_ARRAY, TEXT_ARRAY) reads;
    expired(INT8);
    subscribe(TEXT_ARRAY);
    writers(TEXT_ARRAY) reads;
    next_due(TEXT_ARRAY) reads;
    register_inbox(INT8, TEXT_ARRAY, TEXT);
    listen_on(TEXT);
    open_inbox(INT8);
    close_inbox(INT8);
    end_handoff(INT8, TEXT);
    unsubscribe(TEXT_ARRAY);
    prune(FLOAT8, FLOAT8, INT8);
    lock_results(INT8_ARRAY);
    store_many(
        UUID_ARRAY, INT4_ARRAY, BYTEA_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TIMESTAMPTZ_ARRAY, TIMESTAMPTZ_ARRAY,
        TIMESTAMPTZ_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, INT4_ARRAY, FLOAT8_ARRAY);
    get_results(UUID_ARRAY, UUID_ARRAY, VARBIT_ARRAY) reads;
    delete_results(UUID_ARRAY, VARBIT_ARRAY);
    list_results(TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, UUID, INT8) reads;
    count_results(TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, UUID) reads;
    purge_results(INT8);
    log_many(
        TIMESTAMPTZ_ARRAY, TEXT_ARRAY, UUID_ARRAY, TEXT_ARRAY, TEXT_ARRAY, TEXT_ARRAY, INT4_ARRAY, TEXT_ARRAY);
    query_events(UUID, TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, INT8, INT8) reads;
    query_latest_events(UUID, TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, INT8, INT8) reads;
    count_events(UUID, TEXT, TEXT, TEXT, TIMESTAMPTZ, TIMESTAMPTZ, INT8) reads;
    purge_events(TIMESTAMPTZ, INT8);
    make_results_partition(FLOAT8, FLOAT8);
    make_events_partition(FLOAT8, FLOAT8);
    drop_results_partition();
    drop_events_partition(FLOAT8);
}

impl Statements {
    /// Settles, and in the same statement stores results and logs events if they are along.
    pub(crate) fn settle(&self, extras: Extras) -> &Statement {
        let Extras { results, events, stays, past } = extras;
        let bits = [results, events, stays, past].into_iter().rev();
        &self.settle[bits.fold(0, |number, bit| 2 * number + usize::from(bit))]
    }
}

fn settle(schema: &Schema, extras: Extras) -> Statement {
    let Extras { results, events, stays, past } = extras;
    let mut parts =
        vec![("{stored}", if results { STORED } else { "" }), ("{logged}", if events { LOGGED } else { "" })];
    parts.push(("{singly}", if past { "false" } else { "leaves and length(marks) = 1" }));
    parts.push(("{past}", if past { " skip locked" } else { "" }));
    parts.extend(STAYS.iter().map(|(place, part)| (*place, if stays { *part } else { "" })));
    parts.extend_from_slice(PARTS);
    let mut types = vec![
        Type::UUID_ARRAY,
        Type::UUID_ARRAY,
        Type::UUID_ARRAY,
        Type::VARBIT_ARRAY,
        Type::INT8_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
        Type::FLOAT8_ARRAY,
        Type::TEXT_ARRAY,
        Type::BOOL,
        Type::BOOL,
    ];
    // The numbers of the parameters stay the same whichever parts are along; events come last.
    let results_types = [
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::UUID_ARRAY,
        Type::INT4_ARRAY,
        Type::VARBIT_ARRAY,
        Type::BYTEA_ARRAY,
        Type::INT4_ARRAY,
        Type::BYTEA_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::FLOAT8_ARRAY,
    ];
    let events_types = [
        Type::INT4_ARRAY,
        Type::INT4_ARRAY,
        Type::TIMESTAMPTZ_ARRAY,
        Type::TEXT_ARRAY,
        Type::UUID_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::TEXT_ARRAY,
        Type::INT4_ARRAY,
        Type::TEXT_ARRAY,
    ];
    if results || events {
        types.extend(results_types);
    }
    if events {
        types.extend(events_types);
    }
    Statement { text: schema.fill(include_str!("../../sql/queries/settle.sql"), &parts), types, reads: false }
}
