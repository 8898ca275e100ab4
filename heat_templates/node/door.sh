# shellcheck shell=bash
# Speaks the node door's protocol (doc/node-door.rst). Sourced by boot.sh and magnum-lite-agent, who
# source the engine's own part ($COE.sh) after it.
# Secrets pass through files, pipes and the environment, never through a command line.
# shellcheck disable=SC2034  # SETTLED and TRY_AGAIN are for those who source this
umask 077
ETC=/etc/magnum-lite
STATE=/var/lib/magnum-lite
ANSWER=$STATE/answer.json
SETTLED=0 TRY_AGAIN=75 REFUSED=77
mkdir -p "$ETC" "$STATE/new"
# shellcheck source=/dev/null
. "$ETC/node.env"
IFS=: read -r NODE_ID TOKEN < "$ETC/credential" || true

# post PATH BODY [HEADER…]: prints the HTTP code (000: no answer); the answer's body is in $ANSWER.
post() {
    local path=$1 body=$2 header headers=()
    shift 2
    for header in "$@"; do headers+=(--header "$header"); done
    : > "$ANSWER"
    printf '%s' "$body" | curl --silent --show-error --noproxy '*' --cacert "$DOOR_CA" --connect-timeout 5 --max-time 30 \
        --header 'Content-Type: application/json' --header 'Expect:' "${headers[@]}" --data-binary @- \
        --output "$ANSWER" --write-out '%{http_code}' "$DOOR_URL$path"
}

# signed_post PATH BODY: post, signed with the key that the door knows.
signed_post() {
    local stamp signature
    stamp=$(date +%s.%N)
    signature=$(printf '%s\n%s' "$stamp" "$2" | openssl dgst -sha256 -sign "$ETC/identity.key" | base64 -w0)
    post "$1" "$2" "X-Node-Id: $NODE_ID" "X-Node-Timestamp: $stamp" "X-Node-Signature: $signature"
}

# answer FILTER: a value of the last answer; fails if it is not there.
answer() { jq -er "$1 // empty" "$ANSWER" 2> /dev/null; }

# enrol post|signed_post: new keys, their CSRs, and the certificates that come back. Keys that got no
# answer stay in $STATE/new and are offered again: the door knows a lost answer by them.
# Fails with TRY_AGAIN, or with REFUSED where asking again is no use.
enrol() {
    local new=$STATE/new name body code
    for name in $CERTIFICATES; do
        [ -s "$new/$name.key" ] || openssl ecparam -name prime256v1 -genkey -noout -out "$new/$name.key"
        openssl req -new -key "$new/$name.key" -subj /CN=node -out "$new/$name.csr"
    done
    body=$(for name in $CERTIFICATES; do jq -Rsc --arg name "$name" '{($name): .}' "$new/$name.csr"; done |
        TOKEN=$TOKEN jq -sc --arg node_id "$NODE_ID" '{node_id: $node_id, csrs: add} + (if env.TOKEN == "" then {} else {token: env.TOKEN} end)')
    code=$("$1" /v1/enrol "$body")
    case $code in
        200) install_certificates "$new" ;;
        403) answer .message >&2; return "$REFUSED" ;;
        *) return "$TRY_AGAIN" ;;
    esac
}

# install_certificates DIR: a key moves together with its certificate, or not at all.
install_certificates() {
    local name
    for name in $CERTIFICATES; do
        answer ".certs[\"$name\"]" > "$1/$name.pem" || return "$TRY_AGAIN"
    done
    for name in $(answer '.cas | keys[]'); do
        answer ".cas[\"$name\"]" > "$1/ca-$name.pem" || return "$TRY_AGAIN"
    done
    for name in $(answer '.secrets | keys[]'); do
        answer ".secrets[\"$name\"]" > "$1/secret-$name"
    done
    mv "$1/ca-node.pem" "$ETC/node-ca.pem"
    answer .report_interval > "$STATE/interval" || true
    coe_install "$1" || return "$TRY_AGAIN"
    mv "$1/identity.pem" "$ETC/identity.pem"
    mv "$1/identity.key" "$ETC/identity.key"
    rm -f "$1"/* "$ANSWER"
}

# report STEP PERCENT STATE MESSAGE: reads a JSON object with more fields on stdin; prints the HTTP code.
report() {
    signed_post /v1/report "$(jq -c --arg step "$1" --argjson percent "$2" --arg state "$3" --arg message "$4" \
        '. + {step: $step, percent: $percent, state: $state, message: $message[:500]}')"
}

# redact: stdin without control characters and without what opens something.
redact() {
    local secrets=(-e 's/SWMTKN-[A-Za-z0-9-]*/SWMTKN-***/g' -e 's#://[^/@[:space:]]*@#://***@#g')
    [ -z "${TOKEN:-}" ] || secrets+=(-e "s/$TOKEN/***/g")
    tr -d '\000-\010\013-\037\177' |
        sed -e '/-----BEGIN .*PRIVATE KEY/,/-----END .*PRIVATE KEY/d' "${secrets[@]}"
}
