"""What each part of the board may do: ACL rules, by user name, for ACL SETUSER on every server.

ACL users are not replicated: a server that lacks them refuses the board once it is the primary.
"""

_COMMANDS = (
    "resetchannels +@connection +@read +@write +@transaction +@stream -@dangerous +time"
    " +eval +evalsha +spublish +ssubscribe +sunsubscribe +cluster|slots +cluster|shards"
)
_KEYS = {
    "screen": "~looks:* ~timetable-* %R~{flights-*}:taken %R~{flights-*}:name &{flights-*}:news",
    "desk": "~looks:* ~timetable-* ~{passengers:*}:* ~{flights-*}:* ~{flights-*/*}:lock*",
    "projector": "~{flights-*}:* &{flights-*}:news",
}
RIGHTS = {user: f"{_COMMANDS} {keys}" for user, keys in _KEYS.items()}
