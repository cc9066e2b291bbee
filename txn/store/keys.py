"""The names of all keys, in one place."""

from dataclasses import dataclass

from redis.crc import key_slot


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix. `queue` is the Dramatiq queue whose messages wake the workers up."""

    prefix: str
    queue: str = "deliver"

    def record(self, transaction_id: str) -> str:
        """Hash: everything about a transaction but its payload. Small on purpose: Redis packs it."""
        return f"{self.prefix}t:{transaction_id}"

    def payload(self, transaction_id: str) -> str:
        """String: the content as JSON."""
        return f"{self.prefix}p:{transaction_id}"

    @property
    def partitions(self) -> str:
        """String: how many partitions there are, written at the first start. Not there: none."""
        return f"{self.prefix}partitions"

    def ended_session(self, digest: str) -> str:
        """String: a session of the admin site that was ended, until its cookie would have."""
        return f"{self.prefix}ended:{digest}"

    @property
    def due(self) -> str:
        """Zset: every unfinished id, scored by when somebody must look at it again (ms)."""
        return f"{self.prefix}due"

    @property
    def failed(self) -> str:
        """Zset: dead letters, scored by when they failed."""
        return f"{self.prefix}failed"

    @property
    def by_code(self) -> str:
        """Stem of the zsets `failed:<code>`: the same for one error code."""
        return f"{self.failed}:"

    def failed_with(self, code: str) -> str:
        """Zset: the dead letters with one error code, or all of them if it is empty."""
        return f"{self.by_code}{code}" if code else self.failed

    @property
    def discarded(self) -> str:
        """Zset: the failed ids that an operator has taken off the list, scored by when. No error code has this name."""
        return self.failed_with("discarded")

    @property
    def audit(self) -> str:
        """Hash: how the last audit of everything has ended."""
        return f"{self.prefix}audit"

    @property
    def sweep(self) -> str:
        """Hash: where the workers' common look at all records stands, and what it had to leave alone."""
        return f"{self.prefix}sweep"

    @property
    def oldest(self) -> str:
        """Hash: the transactions that are unfinished for longest, as the workers' last look at all of them found."""
        return f"{self.prefix}oldest"

    @property
    def events(self) -> str:
        """Stream: what happened to the system, capped."""
        return f"{self.prefix}events"

    @property
    def noticed(self) -> str:
        """Hash: what everything that events are about was last, and since when."""
        return f"{self.prefix}noticed"

    @property
    def count(self) -> str:
        """Hash: totals and how many are in each state."""
        return f"{self.prefix}count"

    @property
    def minute(self) -> str:
        """Stem of the hashes `minute:<minutes since the epoch>`."""
        return f"{self.prefix}minute:"

    @property
    def accepted(self) -> str:
        """Stem of the lists `accepted:<minutes since the epoch>:<client>`: ids that were accepted in that minute."""
        return f"{self.prefix}accepted:"

    @property
    def accepted_hours(self) -> str:
        """Zset: `<hours since the epoch>:<client>`, scored by the hour: each hour in which there are such lists."""
        return f"{self.prefix}accepted_hours"

    def accepted_hours_of(self, client: str) -> str:
        """Zset: the same for the lists of one client."""
        return f"{self.accepted_hours}:{client}"

    @property
    def timings(self) -> str:
        """Hash: how long submits and calls to the posting service took, by bucket."""
        return f"{self.prefix}timings"

    @property
    def epoch(self) -> str:
        """Hash: the claim counter, by which workers notice a Redis that lost data, and the end of the quarantine.

        Also the latest promotion, and the end of the moment after it.
        """
        return f"{self.prefix}epoch"

    @property
    def posting(self) -> str:
        """Hash: when the posting service last answered, when it could last not be reached, and why."""
        return f"{self.prefix}posting"

    @property
    def outage(self) -> str:
        """Zset: ids that wait because the posting service is away or paused, by when they were submitted (ms)."""
        return f"{self.prefix}outage"

    @property
    def expiring(self) -> str:
        """Zset: unfinished ids that expire, by when (ms)."""
        return f"{self.prefix}expiring"

    @property
    def probes(self) -> str:
        """Zset: ids that were claimed since the posting service is away, by the end of their leases (ms)."""
        return f"{self.prefix}probes"

    @property
    def hanging(self) -> str:
        """Zset: ids in flight that hung the last time, by the end of their leases (ms)."""
        return f"{self.prefix}hanging"

    @property
    def in_flight(self) -> str:
        """Zset: ids that hold a place while deliveries are limited, by the end of their leases (ms)."""
        return f"{self.prefix}in_flight"

    @property
    def turned_back(self) -> str:
        """Zset: ids that found the limit reached, by when they were submitted (ms)."""
        return f"{self.prefix}turned_back"

    @property
    def recent_timings(self) -> str:
        """Stem of the hashes `minute:timings:<minutes since the epoch>`: the same for one minute; they expire."""
        return f"{self.minute}timings:"

    @property
    def namespace(self) -> str:
        """Dramatiq's namespace."""
        return f"{self.prefix}dramatiq"

    @property
    def messages(self) -> str:
        """List: ids of queued messages (Dramatiq's)."""
        return f"{self.namespace}:{self.queue}"

    @property
    def message_bodies(self) -> str:
        """Hash: message id -> body (Dramatiq's)."""
        return f"{self.messages}.msgs"

    @property
    def dead_messages(self) -> str:
        """Zset: the queue's dead letters (Dramatiq's)."""
        return f"{self.messages}.XQ"

    @property
    def dead_message_bodies(self) -> str:
        """Hash: message id -> body (Dramatiq's)."""
        return f"{self.dead_messages}.msgs"

    @property
    def heartbeats(self) -> str:
        """Zset: consumers by their last heartbeat (Dramatiq's)."""
        return f"{self.namespace}:__heartbeats__"

    @property
    def worker(self) -> str:
        """Stem of the hashes `worker:<consumer>`: what a worker process says of itself; they expire."""
        return f"{self.prefix}worker:"

    @property
    def acks(self) -> str:
        """Stem of the sets `<consumer>.<queue>` of messages that were fetched and not acknowledged (Dramatiq's)."""
        return f"{self.namespace}:__acks__."

    def acks_of(self, consumer: str) -> str:
        """Set: what one consumer holds (Dramatiq's)."""
        return f"{self.acks}{consumer}.{self.queue}"

    @property
    def replicated(self) -> str:
        """String: the last write of each batch that replicas must have, so that there is one to wait for."""
        return f"{self.prefix}replicated"

    @property
    def doctor(self) -> str:
        """String: written to see whether it is kept. It expires."""
        return f"{self.prefix}doctor"

    def doctor_of(self, kind: str) -> str:
        """Of the type `kind`: written to see what may be done. It expires."""
        return f"{self.doctor}:{kind}"

    @property
    def journal(self) -> str:
        """Stream: what operators did, capped."""
        return f"{self.prefix}journal"

    @property
    def changes(self) -> str:
        """Stream: the feed of what has become completed, failed or pending again, capped."""
        return f"{self.prefix}changes"

    @property
    def callbacks(self) -> str:
        """Zset: the lanes in which callbacks wait, one for each receiver, by when the next of each is due (ms)."""
        return f"{self.prefix}callbacks"

    def callback(self, name: str) -> str:
        """Hash: one callback that has not been delivered yet."""
        return f"{self.callbacks}:{name}"

    def callbacks_to(self, lane: str) -> str:
        """Zset: the callbacks of one lane, by when each is due (ms)."""
        return f"{self.callbacks}:to:{lane}"

    @property
    def callbacks_dead(self) -> str:
        """Zset: the callbacks that were given up, by when (ms)."""
        return f"{self.prefix}callbacks_dead"

    @property
    def bulk_runs(self) -> str:
        """Zset: bulk runs by their start (ms)."""
        return f"{self.prefix}bulk"

    @property
    def bulk_active(self) -> str:
        """Zset: the bulk runs that are not over, by their start (ms)."""
        return f"{self.prefix}bulk_active"

    def bulk_run(self, run_id: str) -> str:
        """Hash: one bulk run."""
        return f"{self.prefix}bulk:{run_id}"


def slot_of(keys: Keys) -> int:
    """Where all of them are in a cluster, if the prefix has a hash tag (`{...}`)."""
    return key_slot(keys.prefix.encode())


def keys_of_partition(keys: Keys, number: int) -> Keys:
    """Those of one partition: all of them in one cluster slot."""
    return Keys(f"{keys.prefix}{{{number}}}:", keys.queue)


def partition_in(key: str) -> int:
    """The number of the partition that a key is in."""
    return int(key[key.index("{") + 1 : key.index("}")])


def undivided(keys: Keys) -> Keys:
    """What a cluster's transactions without partitions have by default, if `keys` are those of its partitions."""
    return Keys(f"{{{keys.prefix.rstrip(':')}}}:", keys.queue)


def letter_places(keys: Keys) -> tuple[str, str, str, str]:
    """Where a dead letter stands, in the order in which the scripts take them."""
    return keys.failed, keys.by_code, keys.dead_messages, keys.dead_message_bodies


def lists(keys: Keys) -> tuple[str, str]:
    """Where it is listed what was accepted, in the order in which the scripts take it."""
    return keys.accepted, keys.accepted_hours


def gates(keys: Keys) -> tuple[str, str, str, str]:
    """What says how many messages may be fetched, in the order in which `fetch` takes it."""
    return keys.posting, keys.probes, keys.in_flight, keys.count


def wake_ups(keys: Keys) -> tuple[str, str]:
    """Where a message stands that wakes a worker up."""
    return keys.messages, keys.message_bodies
