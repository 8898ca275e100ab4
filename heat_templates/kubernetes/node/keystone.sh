# shellcheck shell=bash
# Keystone's tokens at this master's API, where the bay wants that (KEYSTONE_PROJECT). Sourced by others after kube.sh.

# keystone_start: the webhook; again with the certificate of now.
keystone_start() {
    install -D -m 755 "$(dirname "${BASH_SOURCE[0]}")/keystone-webhook.py" /usr/local/libexec/magnum-lite-keystone-webhook
    systemctl enable --quiet keystone-webhook.service
    systemctl restart keystone-webhook.service
}

# keystone_flags: the API server's. What the webhook said is kept for seconds only, as roles are taken away in Keystone.
keystone_flags() {
    jq -n --arg ca "$PKI/ca-cluster.pem" '{apiVersion: "v1", kind: "Config", "current-context": "webhook", users: [{name: "api"}],
        clusters: [{name: "webhook", cluster: {server: "https://127.0.0.1:8443", "certificate-authority": $ca}}],
        contexts: [{name: "webhook", context: {cluster: "webhook", user: "api"}}]}' > "$KUBE/keystone-webhook.conf"
    echo --authentication-token-webhook-config-file "$KUBE/keystone-webhook.conf" --authentication-token-webhook-version v1 \
        --authentication-token-webhook-cache-ttl 30s
}
