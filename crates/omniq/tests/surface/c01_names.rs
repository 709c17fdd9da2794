//! C1, C2, C8: the types have the names and the modules of the contract.

use omniq::{EventStorage, ResultStorage, TaskQueue};

fn last_name<T>() -> &'static str {
    std::any::type_name::<T>().rsplit("::").next().unwrap()
}

#[test]
fn c01_storages_have_their_names_and_interfaces() {
    fn queue<T: TaskQueue>() {}
    fn results<T: ResultStorage>() {}
    fn events<T: EventStorage>() {}
    queue::<omniq::storage::postgres::AsyncPostgresQueue>();
    results::<omniq::storage::postgres::AsyncPostgresResultStorage>();
    events::<omniq::storage::postgres::AsyncPostgresEventStorage>();
    queue::<omniq::storage::memory::MemoryQueue>();
    results::<omniq::storage::memory::MemoryResultStorage>();
    events::<omniq::storage::memory::MemoryEventStorage>();
    // The blocking types connect by URL, and refuse a text that is none.
    let bad = "nonsense://";
    assert!(omniq::storage::postgres::PostgresQueue::connect_sync(bad).unwrap_err().is_config());
    assert!(omniq::storage::postgres::PostgresResultStorage::connect_sync(bad).unwrap_err().is_config());
    assert!(omniq::storage::postgres::PostgresEventStorage::connect_sync(bad).unwrap_err().is_config());
    assert!(omniq::backend::postgres::PostgresBackend::connect_sync(bad).unwrap_err().is_config());
}

#[test]
fn c08_async_classes_are_called_so() {
    assert_eq!(last_name::<omniq::storage::postgres::AsyncPostgresQueue>(), "AsyncPostgresQueue");
    assert_eq!(
        last_name::<omniq::storage::postgres::AsyncPostgresResultStorage>(),
        "AsyncPostgresResultStorage"
    );
    assert_eq!(
        last_name::<omniq::storage::postgres::AsyncPostgresEventStorage>(),
        "AsyncPostgresEventStorage"
    );
    assert_eq!(last_name::<omniq::backend::postgres::AsyncPostgresBackend>(), "AsyncPostgresBackend");
    assert_eq!(last_name::<omniq::backend::postgres::PostgresBackend>(), "PostgresBackend");
}
