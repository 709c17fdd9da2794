//! The macros that make a test of each behaviour. A test checks their lists against the behaviours in the source.

/// Makes one `#[test]` of each behaviour of a [`TaskQueue`](crate::TaskQueue). The expression is evaluated in an async
/// block for each test and gives a fresh [`QueueFixture`](crate::conformance::QueueFixture).
#[macro_export]
macro_rules! queue_conformance {
    ($fixture:expr) => {
        $crate::conformance_tests! {
            queue, $fixture,
            bulk::c20_bulk_of_many_tasks,
            bulk::c20_bulk_enqueue_is_all_or_nothing,
            bulk::c20_bulk_finish_is_all_or_nothing,
            bulk::c20_bulk_delete_is_all_or_nothing,
            bulk::c20_bulk_retry_is_all_or_nothing,
            by_filter::c18_retry_all_revives_what_the_filter_selects,
            by_filter::c18_cancel_all_cancels_what_the_filter_selects,
            by_filter::c18_delete_all_removes_what_the_filter_selects,
            by_filter::c18_a_number_leaves_out_what_is_enqueued_later,
            claims::c16_every_task_is_claimed_once,
            claims::c16_one_object_serves_many_callers,
            claims::c16_a_held_task_is_passed_over,
            claims::c16_claim_numbers_grow,
            claims::c16_an_unknown_worker_claims_nothing,
            close::c13_close_releases_what_is_held,
            close::c13_closing_twice_is_harmless,
            close::c13_after_close_every_verb_fails,
            close::c13_close_ends_a_waiting_dequeue,
            close::c04_objects_on_the_same_tasks_share_a_location,
            concurrent::c16_verbs_at_the_same_time_are_linearizable,
            enqueue::c14_enqueue_keeps_every_option,
            enqueue::c14_defaults_are_kept,
            enqueue::c14_ids_come_back_in_the_order_given,
            enqueue::c14_duplicate_id_is_refused_and_nothing_written,
            enqueue::c14_duplicate_id_within_a_batch_is_refused,
            enqueue::c14_one_of_many_wins_an_id,
            enqueue::c14_empty_batch_is_nothing,
            expiry::c22_an_expired_task_is_not_run,
            expiry::c22_only_expired_waiting_tasks_expire,
            expiry::c22_ttl_counts_from_the_start_time,
            expiry::c22_a_new_start_time_moves_the_end,
            expiry::c22_a_dead_letter_does_not_expire,
            expiry::c22_each_new_start_has_the_whole_ttl,
            expiry::c22_a_released_task_still_expires,
            enqueues::c18_a_settlement_enqueues_if_it_is_carried_out,
            enqueues::c20_a_batch_that_is_refused_enqueues_nothing,
            enqueues::c18_settlements_at_the_same_time_enqueue_once,
            enqueues::c18_a_task_keeps_its_callbacks,
            enqueues::c14_bad_callbacks_are_refused,
            fencing::c17_a_task_that_is_not_held_cannot_be_settled,
            fencing::c17_only_the_present_claim_settles,
            fencing::c18_settle_each_answers_for_each,
            fencing::c20_settle_all_is_all_or_nothing,
            fencing::c18_settle_of_nothing_is_nothing,
            fencing::c17_without_a_claim_only_unheld_tasks_are_settled,
            input::c14_bad_input_is_refused_and_nothing_written,
            input::c14_unknown_codec_is_refused,
            input::c14_payload_above_the_limit_is_refused,
            input::c27_hostile_names_are_only_names,
            input::c14_a_written_out_nul_is_kept,
            leases::c17_lost_worker_tasks_come_back_and_late_finish_is_refused,
            leases::c17_a_lost_worker_stays_lost,
            leases::c17_only_ended_leases_are_lost,
            leases::c17_heartbeats_keep_the_lease,
            leases::c17_the_holder_learns_of_the_loss,
            leases::c17_a_killing_task_ends_as_a_dead_letter,
            leases::c17_deregister_releases_claims,
            leases::c17_a_waiting_dequeue_takes_back_what_was_lost,
            leases::c17_dequeue_starts_over_after_a_loss,
            leases::c17_bad_workers_are_refused,
            leases::c17_workers_are_listed,
            leases::c17_a_lease_tells_the_used_slots,
            look::c18_list_and_count_follow_the_filter,
            look::c18_list_and_count_follow_error_and_since,
            look::c18_list_in_pages,
            look::c18_iterate_while_tasks_are_removed,
            look::c18_list_shows_whole_tasks,
            look::c18_get_many_keeps_the_order,
            look::c18_get_finds_nothing_beside_a_batch,
            look::c19_figures_of_every_queue,
            manage::c18_cancel_withdraws_a_waiting_task,
            manage::c18_cancel_asks_a_running_task_to_stop,
            manage::c18_a_worker_is_told_of_the_cancel_of_a_task_that_it_has_handed_back,
            manage::c18_a_cancel_does_not_outlive_its_task,
            manage::c18_a_cancel_outlives_its_worker,
            manage::c18_a_cancel_beside_a_rescue_counts,
            manage::c18_a_worker_that_leaves_hands_back_no_cancelled_task,
            manage::c18_a_cancel_of_a_task_that_was_handed_back_outlives_its_worker,
            manage::c18_a_lease_hands_on_the_wish_to_stop,
            manage::c18_a_finish_after_a_cancel_counts,
            manage::c18_cancel_leaves_dead_letters,
            manage::c20_cancel_many_answers_for_each,
            manage::c18_delete_removes_what_is_not_running,
            manage::c18_purge_leaves_running_tasks,
            manage::c18_prune_removes_what_ended_long_ago,
            order::c15_order_is_queue_then_priority_then_fifo,
            order::c15_many_come_in_the_same_order_as_one_by_one,
            order::c15_several_queues_fill_a_request_in_turn,
            order::c15_a_released_task_is_first_again,
            order::c15_not_before_run_at,
            order::c15_due_tasks_join_in_order,
            order::c15_only_the_functions_asked_for,
            order::c15_bad_requests_are_refused,
            order::c15_a_dequeued_task_is_held,
            outcomes::c18_complete_removes_the_task,
            outcomes::c18_completed_tasks_are_kept_on_demand,
            outcomes::c18_fail_without_retries_leaves_a_dead_letter,
            outcomes::c18_any_error_can_be_stored,
            outcomes::c18_release_gives_the_attempt_back,
            outcomes::c18_snooze_puts_off_without_counting,
            outcomes::c18_retry_later_counts_the_attempt,
            outcomes::c18_no_delay_means_ready,
            outcomes::c18_discard_removes_the_task,
            outcomes::c18_overlong_delays_are_refused,
            pausing::c18_pause_stops_claims_only,
            pausing::c18_pause_of_one_queue_leaves_the_others,
            pausing::c18_pause_of_an_empty_queue,
            retries::c22_max_retries_counts_extra_runs,
            retries::c22_backoff_grows_up_to_its_maximum,
            retries::c22_backoff_is_fixed_linear_exponential_or_a_list,
            retries::c22_each_task_has_its_own_retries,
            retries::c22_a_retried_dead_letter_starts_again_from_zero,
            retries::c22_a_retried_scheduled_task_runs_at_once,
            retries::c22_retry_of_a_running_task_is_a_conflict,
            update::c18_update_changes_what_is_named,
            update::c18_update_moves_a_task_in_the_order,
            update::c18_update_of_a_running_or_ended_task_is_a_conflict,
            update::c18_bad_updates_are_refused,
            values::c24_arguments_come_back_with_their_type,
            values::c24_json_values_come_back,
            values::c24_bytes_and_codec_are_kept,
            values::c24_numbers_are_kept_or_refused,
            waiting::c15_a_notification_is_sent_at_a_start_time,
            waiting::c15_a_notification_is_sent_for_a_task_that_is_postponed_meanwhile,
            waiting::c15_timeout_waits,
            waiting::c15_timeout_waits_and_wakes_early,
            waiting::c15_a_due_task_ends_a_waiting_dequeue,
            waiting::c15_every_task_that_becomes_ready_ends_a_waiting_dequeue,
            waiting::c15_many_waiting_dequeues_get_a_task_each,
            waiting::c15_a_ring_before_the_wait_is_not_lost,
            walk::c18_random_sequences_of_verbs_follow_the_state_machine,
        }
    };
}

/// The same for a [`ResultStorage`](crate::ResultStorage) and its [`ResultFixture`](crate::conformance::ResultFixture).
#[macro_export]
macro_rules! result_conformance {
    ($fixture:expr) => {
        $crate::conformance_tests! {
            results, $fixture,
            expiry::c23_ttl_counts_from_the_store,
            expiry::c23_an_expired_result_is_not_seen,
            expiry::c23_clean_up_removes_what_has_expired,
            expiry::c23_a_result_after_an_expired_one_is_seen,
            keep::c23_store_keeps_everything,
            keep::c23_a_later_result_replaces,
            keep::c23_many_at_once,
            keep::c23_bad_results_are_refused_and_nothing_written,
            keep::c23_any_error_can_be_stored,
            keep::c23_a_value_above_the_limit_is_refused,
            keep::c23_delete_says_what_there_was,
            keep::c13_after_close_every_verb_fails,
            look::c23_list_and_count_follow_the_filter,
            look::c23_list_in_pages,
            values::c24_values_come_back_with_their_type,
            values::c24_json_values_come_back,
            values::c24_bytes_and_codec_are_kept,
            waiting::c23_wait_returns_what_is_there,
            waiting::c23_wait_returns_early,
            waiting::c23_results_ring_those_who_wait,
            waiting::c23_wait_times_out,
            waiting::c13_close_ends_a_wait,
            waiting_many::c23_wait_many_gives_results_as_they_come,
            waiting_many::c23_wait_many_gives_thousands,
            waiting_many::c23_wait_many_times_out,
            waiting_many::c13_close_ends_a_wait_for_many,
        }
    };
}

/// The same for an [`EventStorage`](crate::EventStorage) and its [`EventFixture`](crate::conformance::EventFixture).
#[macro_export]
macro_rules! event_conformance {
    ($fixture:expr) => {
        $crate::conformance_tests! {
            events, $fixture,
            keep::c25_log_keeps_everything,
            keep::c25_events_keep_their_order,
            keep::c25_many_log_at_once,
            keep::c25_numbers_are_kept_or_refused,
            keep::c25_bad_events_are_refused_and_nothing_written,
            keep::c25_purge_removes_old_events,
            keep::c13_after_close_every_verb_fails,
            look::c25_query_by_task,
            look::c25_query_by_kind,
            look::c25_query_by_queue_and_worker,
            look::c25_query_by_time,
            look::c25_query_first_and_latest,
            look::c25_query_in_pages,
        }
    };
}

/// The same for a [`ScheduleStorage`](crate::ScheduleStorage) and its [`ScheduleFixture`](crate::conformance::ScheduleFixture).
#[macro_export]
macro_rules! schedule_conformance {
    ($fixture:expr) => {
        $crate::conformance_tests! {
            schedules, $fixture,
            code::c22_what_leaves_the_code_is_removed,
            code::c22_a_declared_schedule_stays_paused,
            code::c22_a_name_that_is_taken_is_a_conflict,
            code::c22_what_a_live_worker_declares_is_there,
            keep::c22_a_saved_schedule_comes_back,
            keep::c22_bad_schedules_are_refused_and_nothing_written,
            keep::c22_saving_again_moves_the_ticks_only_with_the_times,
            keep::c22_another_end_moves_no_tick,
            keep::c22_list_follows_the_filter,
            keep::c22_delete_removes_a_schedule_and_its_history,
            keep::c22_schedules_are_where_their_queue_is,
            keep::c13_after_close_every_verb_fails,
            missed::c22_missed_ticks_are_skipped,
            missed::c22_missed_ticks_are_made_up_for_once,
            missed::c22_missed_ticks_are_all_made_up_for,
            missed::c22_no_more_is_made_up_for_than_was_missed,
            missed::c22_missed_ticks_of_an_ended_schedule_follow_the_rule,
            ticks::c22_a_due_tick_enqueues_its_task,
            ticks::c22_a_point_in_time_fires_once,
            ticks::c22_many_workers_carry_out_each_tick_once,
            ticks::c22_what_has_changed_meanwhile_is_not_ticked,
            ticks::c22_without_overlap_ticks_are_skipped_while_a_task_runs,
            ticks::c22_without_overlap_one_of_several_ticks_runs,
            ticks::c22_a_schedule_ends,
            ticks::c22_pause_stops_ticks_and_resume_goes_on,
            ticks::c22_trigger_enqueues_by_hand,
            ticks::c22_history_keeps_the_last_hundred_ticks,
            ticks::c22_jitter_delays_tasks_and_not_ticks,
            ticks::c22_without_overlap_a_long_run_is_not_forgotten,
            ticks::c22_what_is_due_comes_in_pages,
            walk::c22_verbs_at_the_same_time_lose_and_double_no_tick,
        }
    };
}

/// The shape of one test.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($part:ident, $fixture:expr, $($module:ident :: $name:ident,)*) => { $(
        #[test]
        fn $name() {
            $crate::conformance::run(::std::boxed::Box::pin(async {
                let fixture = $fixture;
                $crate::conformance::$part::$module::$name(&fixture).await;
            }));
        }
    )* };
}
