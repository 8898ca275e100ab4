"""The API over TLS, as the shipped proxy's settings have it."""

import ssl

import pytest
import requests
from requests.adapters import HTTPAdapter

pytestmark = [pytest.mark.openstack, pytest.mark.timeout(300)]
REGION = "secure"


@pytest.fixture
def endpoint(cloud):
    """In Keystone's catalogue, in a region of its own: the other tests' clients trust no such CA."""
    identity = cloud.tenant("magnum-lite-admin").cloud.identity
    (service,) = identity.services(type="container-infra")
    url = f"https://127.0.0.1:{cloud.tls_port}/v1"
    region = identity.create_region(id=REGION)
    made = identity.create_endpoint(service_id=service.id, interface="public", region_id=REGION, url=url)
    yield url
    identity.delete_endpoint(made.id)
    identity.delete_region(region.id)


class Older(HTTPAdapter):
    """TLS 1.1 at most."""

    def init_poolmanager(self, *arguments, **options):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        return super().init_poolmanager(*arguments, ssl_context=context, **options)


def test_a_clients_session(cloud, tenant, client, endpoint):
    model = tenant.model("over-tls")
    secure = {"OS_REGION_NAME": REGION, "OS_CACERT": str(cloud.tls_ca)}
    found = client().attempt("openstack coe cluster template show over-tls -f value -c uuid", **secure)
    assert (found.code, found.out.strip()) == (0, model["uuid"]), found.err
    blind = client().attempt("openstack coe cluster template list", OS_REGION_NAME=REGION)
    assert blind.code != 0 and "certificate" in blind.err.lower(), blind
    tenant.call("DELETE", f"/baymodels/{model['uuid']}", expect=204)


def test_links_lead_back_over_tls(cloud, tenant, endpoint):
    token = tenant.cloud.session.get_token()
    answer = requests.get(
        f"{endpoint}/clustertemplates", headers={"X-Auth-Token": token}, verify=cloud.tls_ca, timeout=20
    )
    assert answer.status_code == 200
    versions = requests.get(endpoint.removesuffix("v1"), verify=cloud.tls_ca, timeout=20).json()
    for version in versions["versions"]:
        for link in version["links"]:
            assert link["href"].startswith("https://"), link


def test_what_is_refused(cloud, endpoint):
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(endpoint, timeout=20)  # whose CA nobody knows
    with requests.Session() as old:
        old.mount("https://", Older())
        with pytest.raises(requests.exceptions.SSLError):
            old.get(endpoint, timeout=20)
