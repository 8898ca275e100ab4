# shellcheck shell=bash
# What a master does for the bay when the door's answer says so. Sourced by magnum-lite-agent after kubernetes.sh.

# coe_obey FILE: masters' whereabouts; of masters also add-ons, labels, taints, drains and removals.
coe_obey() {
    local id
    coe_masters "$1"
    [ "$ROLE" = master ] || return 0
    if jq -e .addons.manifests "$1" > /dev/null; then coe_addons "$1"; fi
    for id in $(jq -r '.set_labels // {} | keys[] | select(test("^[a-z0-9-]+$"))' "$1"); do
        jq -c --arg id "$id" '{metadata: {labels: (.set_labels[$id] | with_entries(select(.key | startswith("taint:") | not)))}}' "$1" > "$STATE/patch.json"
        admin patch node "$id" --type merge --patch-file "$STATE/patch.json" > /dev/null || true
        # taint:key:effect -> value; null removes
        jq -r --arg id "$id" '.set_labels[$id] | to_entries[] | select(.key | startswith("taint:")) | (.key[6:] | split(":")) as [$key, $effect] |
            if .value == null then "\($key):\($effect)-" else "\($key)=\(.value):\($effect)" end' "$1" |
            while read -r taint; do admin taint node "$id" "$taint" --overwrite > /dev/null || true; done
    done
    for id in $(jq -r '.drain // [] | .[] | select(test("^[a-z0-9-]+$"))' "$1"); do
        admin drain "$id" --ignore-daemonsets --delete-emptydir-data --force --timeout 45s > /dev/null 2>&1 || true
    done
    for id in $(jq -r '.remove // [] | .[] | select(test("^[a-z0-9-]+$"))' "$1"); do
        etcd_remove "$id" || continue # the node goes last: that it is gone says that its member is
        admin delete node "$id" --ignore-not-found > /dev/null || true
    done
}

# coe_addons FILE: applies the cluster's add-ons. What a deployment of them serves of the API follows once that is there:
# a part of the API that nobody serves holds up the end of every namespace.
coe_addons() {
    local digest name
    coe_credential "$(jq -r '.addons.credential // empty' "$1")" || return
    digest=$(jq -r .addons.digest "$1")
    if [ "$(cat "$STATE/addons.applied" 2> /dev/null)" != "$digest" ]; then
        jq -r .addons.manifests "$1" | admin apply --server-side --force-conflicts --filename - > /dev/null || return
        echo "$digest" > "$STATE/addons.applied"
    fi
    for name in $(jq -r '.addons.apis // {} | keys[] | select(test("^[a-z0-9-]+$"))' "$1"); do
        [ "$(admin --namespace kube-system get deployment "$name" --output 'jsonpath={.status.availableReplicas}')" -gt 0 ] 2> /dev/null || return
        jq -r --arg name "$name" '.addons.apis[$name]' "$1" | admin apply --server-side --force-conflicts --filename - > /dev/null || return
    done
    echo "$digest" > "$STATE/addons"
}

# coe_credential ID: the bay's application credential as a Secret, if this master has that one; else it is given it by
# its next enrolment. Files and pipes only: nothing of it is on a command line.
coe_credential() {
    local files=(--from-file "cloud.conf=$PKI/secret-cloud-config")
    [ -n "$1" ] || return 0
    [ "$(credential_id)" = "$1" ] || return 1
    [ ! -s "$PKI/secret-cloud-ca" ] || files+=(--from-file "ca.crt=$PKI/secret-cloud-ca")
    admin create secret generic cloud-config --namespace kube-system "${files[@]}" --dry-run=client --output json |
        admin apply --server-side --force-conflicts --filename - > /dev/null
}
