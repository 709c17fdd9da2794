//! SQL fragments that several statements share.

/// The text of each `{name}` in statements.
pub(crate) const FRAGMENTS: &[(&str, &str)] = &[
    ("{claimable}", include_str!("../../sql/fragments/claimable.sql")),
    ("{deltas}", include_str!("../../sql/fragments/deltas.sql")),
    ("{event_columns}", include_str!("../../sql/fragments/event_columns.sql")),
    ("{event_filter}", include_str!("../../sql/fragments/event_filter.sql")),
    ("{here}", include_str!("../../sql/fragments/here.sql")),
    ("{lock_holders}", include_str!("../../sql/fragments/lock_holders.sql")),
    ("{locked}", include_str!("../../sql/fragments/locked.sql")),
    ("{present}", include_str!("../../sql/fragments/present.sql")),
    ("{result_columns}", include_str!("../../sql/fragments/result_columns.sql")),
    ("{result_filter}", include_str!("../../sql/fragments/result_filter.sql")),
    ("{result_live}", include_str!("../../sql/fragments/result_live.sql")),
    ("{result_present}", include_str!("../../sql/fragments/result_present.sql")),
    ("{settle_changes}", include_str!("../../sql/fragments/settle_changes.sql")),
    ("{settle_fence}", include_str!("../../sql/fragments/settle_fence.sql")),
    ("{shared_columns}", include_str!("../../sql/fragments/shared_columns.sql")),
    ("{task_columns}", include_str!("../../sql/fragments/task_columns.sql")),
    ("{task_filter}", include_str!("../../sql/fragments/task_filter.sql")),
];
