//! Whole conversations: transcripts, the wanted reactions to bad messages, and what holds whatever a device says.

#![expect(clippy::indexing_slicing, clippy::unwrap_used, reason = "a test fails by panicking")]

mod babble;
mod bad;
mod bad_vectors;
mod bench;
mod corpus;
mod device;
mod habits;
mod hostile;
mod parts;
mod property;
mod rules;
mod say;
mod scene;
mod script;
mod shelf;
mod transcript;
mod trial;

/// One test for each transcript, and one that none is forgotten.
macro_rules! transcripts {
    ($($name:ident,)+) => {
        $(#[test] fn $name() { transcript::replay(stringify!($name)); })+

        #[test]
        fn every_transcript_is_replayed() {
            let mut named = vec![$(concat!(stringify!($name), ".txt").to_owned()),+];
            named.sort();
            assert_eq!(transcript::files(), named);
        }
    };
}

transcripts! {
    a_first_message_without_credentials_is_challenged_and_leaves_nothing,
    a_stale_nonce_is_challenged_and_then_accepted,
    a_wrong_password_is_refused_until_the_device_stops,
    a_basic_account_gets_no_nonce,
    nothing_to_do_ends_the_session_at_once,
    nothing_differs_so_nothing_is_written,
    what_differs_is_written_and_proven,
    a_missing_node_is_added_with_its_parents,
    a_device_that_knows_better_is_believed,
    an_overwrite_asks_for_nothing,
    a_yes_comes_before_the_write,
    a_no_leads_to_no_write,
    silence_is_no_yes,
    somebody_who_waits_is_told_values_as_they_come,
    a_device_that_cannot_ask_is_left_alone,
    a_failed_write_names_the_node,
    a_device_that_contradicts_itself_fails_its_job,
    a_broken_read_back_is_found,
    a_secret_is_never_read_and_never_shown,
    a_node_that_hides_its_value_is_proven_by_status,
    an_unanswered_write_is_read_back,
    an_atomic_holds_together,
    a_failed_atomic_changes_nothing,
    an_atomic_learns_what_is_there,
    an_atomic_without_its_own_status_is_judged_by_its_children,
    a_device_without_atomic_gets_the_writes_one_by_one,
    a_job_that_needs_atomic_ends_where_there_is_none,
    two_jobs_share_a_session,
    values_read_fill_the_templates,
    a_changed_rendering_ends_the_session,
    deleting_what_is_gone_changes_nothing,
    a_lost_answer_is_asked_for_again,
    a_restart_begins_anew,
    a_lost_message_is_a_gap,
    a_message_without_proof_moves_nothing,
    wrong_credentials_beside_the_right_token_end_the_session,
    the_device_accepts_the_server_for_one_message_at_a_time,
    a_stale_server_nonce_is_tried_once_more,
    a_session_for_new_nonces_does_nothing_else,
    a_session_for_new_nonces_in_which_none_is_given_led_nowhere,
    a_device_that_does_not_trust_the_server_is_left,
    commands_are_spread_over_messages,
    a_command_too_large_for_the_device_fails_its_job,
    a_package_in_two_messages_is_collected,
    a_command_that_wants_no_status_gets_none,
    a_device_that_aborts_is_left,
    statuses_that_do_not_fit_come_first_in_the_next_message,
    what_does_not_fit_beside_the_statuses_waits_for_the_next_message,
    a_device_that_ends_the_session_instead_of_sending_a_value_fails_its_job,
    answers_late_twice_and_to_others_change_nothing,
    a_large_value_is_sent_in_parts,
    a_device_that_takes_the_first_part_for_the_whole_gets_its_value_back,
    what_is_put_back_and_taken_for_a_part_is_put_back_again,
    a_node_that_was_not_there_is_taken_away_again,
    a_value_of_which_a_part_was_taken_and_nothing_is_known_is_broken,
    a_large_value_is_not_for_a_device_without_large_objects,
    a_value_larger_than_the_devices_objects_fails_before_anything_is_written,
    a_large_value_in_an_atomic_is_refused_before_anything_is_written,
    an_object_of_ours_that_breaks_is_sent_again,
    a_refused_first_part_is_answered_as_any_refusal,
    a_large_value_arrives_in_parts,
    a_broken_object_begins_again,
    an_object_that_breaks_again_and_again_fails_its_job,
    an_object_larger_than_this_server_takes_is_refused,
    parts_that_were_lost_are_asked_for_again,
    events_are_published,
    a_device_that_says_nothing_of_itself_is_asked,
    client_a_in_xml,
    client_b_in_xml,
    a_windows_client_in_xml,
    client_a_sends_again_what_was_refused_and_keeps_its_nonce,
    client_a_does_not_know_the_digest_at_first,
    client_a_waits_for_credentials_that_the_account_lacks,
    client_a_refuses_lists_copies_and_roots,
    client_a_ends_names_and_properties_with_a_zero_octet,
    client_a_runs_an_atomic_command_by_command,
    client_a_reports_in_the_message_that_takes_the_work_up,
    client_a_begins_again_in_mid_session,
    client_b_repeats_its_package_and_names_itself_once,
    client_b_asks_the_server_for_a_fresh_digest,
    client_b_asks_for_credentials_that_the_account_lacks,
    client_b_undoes_an_atomic_and_says_what_stood_in_its_way,
    client_b_refuses_copies_and_roots_and_lists_node_by_node,
    client_b_sends_the_same_octets_until_it_is_heard,
    windows_sends_its_package_again_in_a_second_message,
    windows_sends_its_first_message_again_with_credentials,
    windows_stops_after_a_second_refusal,
    windows_answers_each_get_with_status_and_value,
    windows_undoes_an_atomic,
    windows_breaks_off_at_a_value_too_large_for_it,
    windows_leaves_when_its_user_disconnects_it,
    windows_brings_a_token_while_somebody_else_is_logged_in,
    windows_begins_again_in_mid_session,
    an_hmac_account_proves_every_message,
    a_device_with_a_stale_hmac_nonce_is_challenged_in_mid_session,
    the_server_moves_from_md5_to_hmac_when_it_is_asked_to,
    work_that_a_device_takes_up_ends_with_its_report,
    a_report_from_a_lost_session_is_not_asked_for_again,
    a_copy_is_made_or_refused,
    a_subtree_is_listed_node_by_node,
    a_list_does_not_tell_a_secret,
    a_node_of_a_user_who_is_not_there_is_left,
    a_device_that_breaks_off_is_answered_with_statuses_alone,
}
