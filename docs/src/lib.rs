#![doc = include_str!("../overview.md")]

/// One word per idea.
#[doc = include_str!("../glossary.md")]
pub mod glossary {}

#[doc = include_str!("../life-of-a-job.md")]
pub mod life_of_a_job {}

#[doc = include_str!("../life-of-a-session.md")]
pub mod life_of_a_session {}

#[doc = include_str!("../running-it.md")]
pub mod running_it {}

#[doc = include_str!("../what-survives-what.md")]
pub mod what_survives_what {}

#[doc = include_str!("../metrics.md")]
pub mod metrics {}

#[doc = include_str!("../connecting-an-smsc.md")]
pub mod connecting_an_smsc {}

#[doc = include_str!("../connecting-a-push-gateway.md")]
pub mod connecting_a_push_gateway {}

#[doc = include_str!("../customer-care.md")]
pub mod customer_care {}

#[doc = include_str!("../limits.md")]
pub mod limits {}

#[doc = include_str!("../campaign-document.md")]
pub mod campaign_document {}

#[doc = include_str!("../reading-messages.md")]
pub mod reading_messages {}

#[doc = include_str!("../rabbitmq.md")]
pub mod rabbitmq {}

/// What to do when an alert calls: a page each.
pub mod runbook {
    #[doc = include_str!("../runbook/backlog.md")]
    pub mod backlog {}

    #[doc = include_str!("../runbook/busy.md")]
    pub mod busy {}

    #[doc = include_str!("../runbook/campaign-failing.md")]
    pub mod campaign_failing {}

    #[doc = include_str!("../runbook/clock-skew.md")]
    pub mod clock_skew {}

    #[doc = include_str!("../runbook/conflicts.md")]
    pub mod conflicts {}

    #[doc = include_str!("../runbook/deadlines-late.md")]
    pub mod deadlines_late {}

    #[doc = include_str!("../runbook/disk-full.md")]
    pub mod disk_full {}

    #[doc = include_str!("../runbook/down.md")]
    pub mod down {}

    #[doc = include_str!("../runbook/events-not-sent.md")]
    pub mod events_not_sent {}

    #[doc = include_str!("../runbook/memory.md")]
    pub mod memory {}

    #[doc = include_str!("../runbook/not-ready.md")]
    pub mod not_ready {}

    #[doc = include_str!("../runbook/nothing-sent.md")]
    pub mod nothing_sent {}

    #[doc = include_str!("../runbook/refused-credentials.md")]
    pub mod refused_credentials {}

    #[doc = include_str!("../runbook/route-away.md")]
    pub mod route_away {}

    #[doc = include_str!("../runbook/store-failing.md")]
    pub mod store_failing {}

    #[doc = include_str!("../runbook/store-slow.md")]
    pub mod store_slow {}
}

/// Why things are as they are: one page a decision, half a page each.
pub mod decisions {
    #[doc = include_str!("../decisions/0001_sessions_are_plain_data.md")]
    pub mod d0001_sessions_are_plain_data {}

    #[doc = include_str!("../decisions/0002_store_first_answer_second.md")]
    pub mod d0002_store_first_answer_second {}

    #[doc = include_str!("../decisions/0003_the_simulator_shares_only_wire.md")]
    pub mod d0003_the_simulator_shares_only_wire {}

    #[doc = include_str!("../decisions/0004_five_primitives_are_all_the_store_offers.md")]
    pub mod d0004_five_primitives_are_all_the_store_offers {}

    #[doc = include_str!("../decisions/0005_an_unauthenticated_message_writes_nothing.md")]
    pub mod d0005_an_unauthenticated_message_writes_nothing {}

    #[doc = include_str!("../decisions/0006_send_then_commit.md")]
    pub mod d0006_send_then_commit {}

    #[doc = include_str!("../decisions/0007_values_are_pinned_by_digest.md")]
    pub mod d0007_values_are_pinned_by_digest {}

    #[doc = include_str!("../decisions/0008_the_declared_format_governs.md")]
    pub mod d0008_the_declared_format_governs {}

    #[doc = include_str!("../decisions/0009_one_function_says_what_may_be_written.md")]
    pub mod d0009_one_function_says_what_may_be_written {}

    #[doc = include_str!("../decisions/0010_the_wbxml_codec_is_ours.md")]
    pub mod d0010_the_wbxml_codec_is_ours {}

    #[doc = include_str!("../decisions/0011_package_1_begins_a_session_whatever_its_number.md")]
    pub mod d0011_package_1_begins_a_session_whatever_its_number {}

    #[doc = include_str!("../decisions/0012_secrets_wait_for_a_session_nobody_can_listen_to.md")]
    pub mod d0012_secrets_wait_for_a_session_nobody_can_listen_to {}

    #[doc = include_str!("../decisions/0013_an_ending_campaign_is_swept_by_a_walk_over_devices.md")]
    pub mod d0013_an_ending_campaign_is_swept_by_a_walk_over_devices {}

    #[doc = include_str!("../decisions/0015_a_message_is_read_where_it_stays.md")]
    pub mod d0015_a_message_is_read_where_it_stays {}

    #[doc = include_str!("../decisions/0019_sequence_is_never_sent.md")]
    pub mod d0019_sequence_is_never_sent {}

    #[doc = include_str!("../decisions/0022_a_commit_that_comes_twice_is_known.md")]
    pub mod d0022_a_commit_that_comes_twice_is_known {}

    #[doc = include_str!("../decisions/0023_a_revision_is_a_clock.md")]
    pub mod d0023_a_revision_is_a_clock {}

    #[doc = include_str!("../decisions/0024_the_event_log_is_a_quorum_queue.md")]
    pub mod d0024_the_event_log_is_a_quorum_queue {}

    #[doc = include_str!("../decisions/0025_there_is_one_way_to_recover_from_the_broker.md")]
    pub mod d0025_there_is_one_way_to_recover_from_the_broker {}

    #[doc = include_str!("../decisions/0027_a_queue_can_be_looked_at.md")]
    pub mod d0027_a_queue_can_be_looked_at {}

    #[doc = include_str!("../decisions/0028_limits_are_shared_out_by_who_is_there.md")]
    pub mod d0028_limits_are_shared_out_by_who_is_there {}

    #[doc = include_str!("../decisions/0033_the_carrier_reads_every_octet_itself.md")]
    pub mod d0033_the_carrier_reads_every_octet_itself {}

    #[doc = include_str!("../decisions/0034_a_receipt_and_its_message_meet_in_a_row.md")]
    pub mod d0034_a_receipt_and_its_message_meet_in_a_row {}

    #[doc = include_str!("../decisions/0035_a_fallback_carries_and_takes_nothing_over.md")]
    pub mod d0035_a_fallback_carries_and_takes_nothing_over {}

    #[doc = include_str!("../decisions/0029_words_are_kept_once_in_a_shard.md")]
    pub mod d0029_words_are_kept_once_in_a_shard {}

    #[doc = include_str!("../decisions/0032_what_is_rejected_is_told_by_whoever_rejects_it.md")]
    pub mod d0032_what_is_rejected_is_told_by_whoever_rejects_it {}

    #[doc = include_str!("../decisions/0037_limits_are_leased_by_who_has_work.md")]
    pub mod d0037_limits_are_leased_by_who_has_work {}

    #[doc = include_str!("../decisions/0040_care_is_a_campaign_without_a_document.md")]
    pub mod d0040_care_is_a_campaign_without_a_document {}

    #[doc = include_str!("../decisions/0042_a_session_is_known_by_heart_where_it_was_answered_last.md")]
    pub mod d0042_a_session_is_known_by_heart_where_it_was_answered_last {}

    #[doc = include_str!("../decisions/0043_the_last_answer_lies_in_its_session.md")]
    pub mod d0043_the_last_answer_lies_in_its_session {}
    #[doc = include_str!("../decisions/0044_devices_are_taken_up_by_whole_batches.md")]
    pub mod d0044_devices_are_taken_up_by_whole_batches {}

    #[doc = include_str!("../decisions/0046_zeros_only_change_nonces.md")]
    pub mod d0046_zeros_only_change_nonces {}
}
