// The table of every metric: the one place that says what each is called, what it means and which
// labels it has. `# HELP` and server/METRICS.md are made of it, and a family that is not in it does
// not compile.
#pragma once

#include <prometheus/metric_type.h>

#include <array>
#include <string_view>

namespace objpool::metrics {

struct Metric {
  std::string_view name;  // a counter's ends in "_total"; units are base units and come before that
  prometheus::MetricType type;
  std::string_view labels;  // as one reads them: "pool, cpu, node"; empty: none
  std::string_view help;
};

namespace table {

inline constexpr auto kCounter = prometheus::MetricType::Counter;
inline constexpr auto kGauge = prometheus::MetricType::Gauge;
inline constexpr auto kHistogram = prometheus::MetricType::Histogram;

inline constexpr std::string_view kNone;
inline constexpr std::string_view kPool = "pool";
inline constexpr std::string_view kSlot = "pool, cpu, node";
inline constexpr std::string_view kSteal = "pool, distance";
inline constexpr std::string_view kWorker = "worker, cpu, node";
inline constexpr std::string_view kMethod = "grpc_type, grpc_service, grpc_method";

}  // namespace table

// In the order of the page.
inline constexpr auto kMetrics = std::to_array<Metric>({
    // What runs, and where.
    {"objpool_build_info", table::kGauge, "version, engine, engine_version, pool_engine",
     "Always 1; what runs."},
    {"objpool_topology_info", table::kGauge, "node, cpus",
     "Always 1; the CPUs of each NUMA node that have workers, as a list: 0-3,8."},
    {"objpool_numa_info", table::kGauge, "mode, reason, checked_by",
     "Always 1; how memory comes to the node of who uses it: mode first_touch, single_node or "
     "none, "
     "and why; checked_by is move_pages, or refused where the kernel does not say where pages "
     "are."},

    // Pools: where handles are.
    {"objpool_pool_capacity_handles", table::kGauge, table::kPool, "Handles of the pool."},
    {"objpool_pool_free_handles", table::kGauge, table::kPool,
     "Handles of the pool that are free."},
    {"objpool_pool_low_free_handles", table::kGauge, table::kPool,
     "The fewest free handles of the last minute, of looks 20 ms apart."},
    {"objpool_pool_dirty_handles", table::kGauge, table::kPool,
     "Handles that wait for somebody who cleans them."},
    {"objpool_pool_resting_handles", table::kGauge, table::kPool,
     "Handles that are free a little later."},
    {"objpool_pool_quarantined_handles", table::kGauge, table::kPool,
     "Handles that nobody gets: broken, suspected, or of a damaged record."},
    {"objpool_pool_unaccounted_handles", table::kGauge, table::kPool,
     "Capacity less free, leased, dirty, resting and quarantined handles, as they were counted one "
     "after the other while they move. Always 0 when nothing moves."},

    // Slots: how handles move.
    {"objpool_slot_occupancy_handles", table::kGauge, table::kSlot,
     "Free handles in the slot of this CPU."},
    {"objpool_acquires_total", table::kCounter, "pool, cpu, node, source",
     "Handles that went to clients, by where they were: local (the worker's magazine), depot, or "
     "steal (another slot)."},
    {"objpool_slot_pushes_total", table::kCounter, table::kSlot,
     "Handles that came back to this slot."},
    {"objpool_slot_misses_total", table::kCounter, table::kSlot,
     "Pops by this worker that found too few handles in the whole pool."},
    {"objpool_handles_stolen_by_total", table::kCounter, table::kSlot,
     "Handles that this slot's worker took out of other slots."},
    {"objpool_handles_stolen_from_total", table::kCounter, table::kSlot,
     "Handles that other workers took out of this slot."},
    {"objpool_acquires_by_steal_total", table::kCounter, table::kSteal,
     "Handles that went to clients right out of other slots, by distance."},
    {"objpool_handles_stolen_total", table::kCounter, table::kSteal,
     "Handles that workers took out of other slots, by distance, those included that they kept."},

    // Leases: what became of grants.
    {"objpool_leases_granted_total", table::kCounter, table::kPool, "Grants made."},
    {"objpool_leases_renewed_total", table::kCounter, table::kPool, "Renewals made."},
    {"objpool_leases_returned_total", table::kCounter, table::kPool,
     "Grants that ended because they were returned."},
    {"objpool_leases_expired_total", table::kCounter, table::kPool,
     "Grants that ended because their time was over."},
    {"objpool_leases_revoked_total", table::kCounter, table::kPool,
     "Grants that ended because they were revoked."},
    {"objpool_leases_recovered_total", table::kCounter, table::kPool,
     "Grants of an earlier server that ran on in this one."},
    {"objpool_leases_active", table::kGauge, table::kPool, "Grants that run."},
    {"objpool_lease_refusals_total", table::kCounter, "pool, verb, reason",
     "Calls (verbs lease, revoke) or grants (verbs return, renew) that were refused, by reason."},
    {"objpool_lease_hold_seconds", table::kHistogram, table::kPool,
     "How long handles were held, from grant to its end."},
    {"objpool_lease_expiry_lag_seconds", table::kHistogram, table::kPool,
     "How long after its deadline a grant was taken back."},

    // Who waits for handles.
    {"objpool_lease_waiters", table::kGauge, table::kPool, "Calls that wait for handles."},
    {"objpool_lease_oldest_wait_seconds", table::kGauge, table::kPool,
     "How long the one that waits longest has waited."},
    {"objpool_lease_waits_total", table::kCounter, "pool, result",
     "Calls that waited, by how it ended: served, or given_up (cancelled, or too long)."},
    {"objpool_lease_waited_seconds_total", table::kCounter, table::kPool,
     "Time that calls waited that were served."},

    // What is kept.
    {"objpool_disk_syncs_total", table::kCounter, table::kNone,
     "Writes to the disk that answers waited for."},
    {"objpool_disk_failed", table::kGauge, table::kNone,
     "1 when the disk has failed: pools of DURABILITY_DISK lease and renew no more."},

    // Buffers.
    {"objpool_buffer_read_bytes_total", table::kCounter, table::kPool,
     "Bytes of leased buffers that BufferService sent."},
    {"objpool_buffer_written_bytes_total", table::kCounter, table::kPool,
     "Bytes that BufferService wrote into leased buffers."},
    {"objpool_buffer_pages_sampled", table::kGauge, "pool, node",
     "Pages of buffers for this NUMA node about which the kernel was asked and knew: up to 1024, "
     "every 10 s for up to 16 pools."},
    {"objpool_buffer_pages_misplaced", table::kGauge, "pool, node",
     "Of these, pages that are on another node than the one that they are for."},

    // Sessions.
    {"objpool_sessions_open", table::kGauge, table::kNone, "Sessions that have a stream."},
    {"objpool_sessions_lingering", table::kGauge, table::kNone,
     "Sessions that have lost their stream, and may be resumed."},
    {"objpool_session_grants", table::kGauge, table::kNone, "Grants that belong to a session."},
    {"objpool_sessions_resumed_total", table::kCounter, table::kNone,
     "Sessions that got another stream."},
    {"objpool_sessions_lapsed_total", table::kCounter, table::kNone,
     "Sessions that were not resumed in time."},
    {"objpool_session_grants_given_back_total", table::kCounter, table::kNone,
     "Grants that were returned for sessions that had not been resumed."},

    // Connections.
    {"objpool_connections_open", table::kGauge, table::kWorker,
     "Clients' connections, by the worker that has them, ones included of which only calls are "
     "left. Engine h2 only, as all up to objpool_answers_unsent_bytes."},
    {"objpool_connections_accepted_total", table::kCounter, table::kNone,
     "Connections that workers were given."},
    {"objpool_connections_cut_total", table::kCounter, "reason",
     "Connections that the server closed or asked to go, by reason: crowded, crowded_peer, "
     "no_descriptor, slow, flood, protocol, not_reading, silent, idle, aged."},
    {"objpool_connection_floods_total", table::kCounter, "kind",
     "Connections that the server closed for a flood, by what it was of: reset, ping, settings, "
     "empty_data, window_update, invalid, other, void, headers, continuation, answers."},
    {"objpool_calls_cut_total", table::kCounter, "bound",
     "Calls that were refused or ended for what calls may cost, by the bound that they reached: "
     "stream_limit, too_many_calls, too_many_streams, headers, message, half_open, unread_bytes, "
     "unsent_bytes, not_reading."},
    {"objpool_requests_unread_bytes", table::kGauge, table::kNone,
     "Bytes of requests that came and are not handled yet."},
    {"objpool_answers_unsent_bytes", table::kGauge, table::kNone,
     "Bytes of answers that no client has taken yet."},

    // TLS: only where there is some.
    {"objpool_tls_certificate_expiry_timestamp_seconds", table::kGauge, table::kNone,
     "When the server's certificate, or the first one of its chain, expires, in seconds of Unix "
     "time. With TLS only, as all up to objpool_tls_handshake_failures_total."},
    {"objpool_tls_reloads_total", table::kCounter, "result",
     "Times that the files of TLS had changed, or SIGHUP came, by whether they were good: loaded, "
     "failed."},
    {"objpool_tls_handshakes_total", table::kCounter, table::kNone,
     "Handshakes that were completed. Engine h2 only, as the next."},
    {"objpool_tls_handshake_failures_total", table::kCounter, "reason",
     "Handshakes that came to nothing, by reason: plaintext, malformed, version, cipher, "
     "alpn, no_certificate, bad_certificate, refused, slow, gone, other."},

    // The policy.
    {"objpool_policy_rules", table::kGauge, table::kNone,
     "Rules of the policy in force; 0 also where there is no policy."},
    {"objpool_policy_stale", table::kGauge, table::kNone,
     "1 when the policy file is wrong and the one before is in force."},
    {"objpool_policy_reloads_total", table::kCounter, "result",
     "How often the policy file was read again, by result: ok, failed."},
    {"objpool_calls_denied_total", table::kCounter, "group",
     "Calls, and operations of sessions, that the client may not make, by group of methods: lease, "
     "read, buffers, admin, reflection."},
    {"objpool_audit_records_total", table::kCounter, "result",
     "Records of the audit log, by what became of them: written, dropped."},

    // Calls, by the names that every gRPC dashboard knows.
    {"grpc_server_started_total", table::kCounter, table::kMethod, "Calls that have arrived."},
    {"grpc_server_handled_total", table::kCounter,
     "grpc_type, grpc_service, grpc_method, grpc_code",
     "Calls that were answered, by status code."},
    {"grpc_server_handling_seconds", table::kHistogram, table::kMethod,
     "From a call's arrival at its worker until its answer is handed over."},

    // Workers.
    {"objpool_worker_busy_seconds_total", table::kCounter, table::kWorker,
     "Time that the worker did not wait for events."},
    {"objpool_worker_turns_total", table::kCounter, table::kWorker,
     "Turns of the worker's loop, idle ones included."},
    {"objpool_worker_poll_delay_seconds", table::kHistogram, table::kNone,
     "How late a worker's turn came that was due, of all workers: each has one due every 20 ms. Up "
     "to 1 ms is engine grpc's timer."},
    {"objpool_worker_pinned", table::kGauge, table::kWorker,
     "1 when the worker is pinned to its CPU."},
    {"objpool_worker_pin_losses_total", table::kCounter, table::kNone,
     "How often a worker was found off its CPU: the CPUs of the server were changed."},

    // The process, as every Prometheus client describes it.
    {"process_cpu_seconds_total", table::kCounter, table::kNone,
     "User and system CPU time spent, in seconds."},
    {"process_resident_memory_bytes", table::kGauge, table::kNone, "Resident memory, in bytes."},
    {"process_virtual_memory_bytes", table::kGauge, table::kNone, "Virtual memory, in bytes."},
    {"process_threads", table::kGauge, table::kNone, "Threads."},
    {"process_start_time_seconds", table::kGauge, table::kNone,
     "When the process started, in seconds of Unix time."},
    {"process_open_fds", table::kGauge, table::kNone, "Open file descriptors."},
    {"process_max_fds", table::kGauge, table::kNone, "The most file descriptors that may be open."},
});

// A metric of the table, by its name; any other name does not compile.
class KnownMetric {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): a name stands for its metric.
  consteval KnownMetric(const char* name) : metric_(Find(name)) {}
  [[nodiscard]] constexpr const Metric& operator*() const { return *metric_; }

 private:
  static consteval const Metric* Find(std::string_view name) {
    for (const Metric& metric : kMetrics) {
      if (metric.name == name) return &metric;
    }
    throw "this metric is not in the table";
  }
  const Metric* metric_;
};

}  // namespace objpool::metrics
