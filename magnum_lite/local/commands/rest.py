"""The REST API of the service as the commands use it: authenticated, errors as ``Failure``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keystoneauth1 import exceptions as ka

from magnum_lite.local.commands.failure import Exit, Failure, not_running

CLOUD = "magnum-lite"
_HEADERS = {"OpenStack-API-Version": "container-infra latest", "Accept": "application/json"}
_CODES = {404: Exit.NOT_FOUND, 503: Exit.UNREACHABLE, 502: Exit.UNREACHABLE, 504: Exit.UNREACHABLE}


class Rest:
    """One cloud. ``session`` is a keystoneauth Session, for the other services of its catalogue."""

    def __init__(self, session: Any, region: str | None, interface: str, hint: Failure) -> None:
        self.session = session
        self._region, self._interface = region, interface
        self._hint = hint
        self._bases: dict[str, str] = {}

    def get(self, path: str, **query: Any) -> Any:
        """The answer of GET. Raises Failure."""
        return self.call("GET", path, params=query or None)

    def post(self, path: str, body: Any = None) -> Any:
        """The answer of POST. Raises Failure."""
        return self.call("POST", path, **({} if body is None else {"json": body}))

    def delete(self, path: str) -> None:
        """DELETE. Raises Failure."""
        self.call("DELETE", path)

    def call(self, method: str, path: str, *, service: str = "container-infra", **more: Any) -> Any:
        """Any call, of any service in the catalogue. The parsed answer, None if it is empty.

        Raises Failure: 3 not found, 4 nobody answers, 5 refused, 1 for a fault of the service.
        """
        headers = {**_HEADERS, **more.pop("headers", {})}
        try:
            answer = self.session.request(
                self._base(service) + path,
                method,
                headers=headers,
                raise_exc=False,
                connect_retries=0,
                **more,
            )
        except ka.Unauthorized:
            raise _unauthorized() from None
        except (ka.ConnectFailure, ka.ConnectTimeout, ka.DiscoveryFailure) as error:
            raise self._unreachable(error) from None
        except ka.ClientException as error:
            raise Failure(f"{service}: {error}") from None
        if answer.status_code >= 400:
            raise refusal(answer, service)
        if not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise Failure(f"{service} answered {method} {path} with something that is not JSON.") from None

    def find(self, collection: str, ident: str) -> dict[str, Any]:
        """A bay or baymodel by name or uuid. Raises Failure, with the names that there are."""
        from urllib.parse import quote

        try:
            found: dict[str, Any] = self.get(f"/{collection}/{quote(ident, safe='')}")
        except Failure as failure:
            if failure.exit_code == Exit.NOT_FOUND:
                names = [item["name"] for item in self.get(f"/{collection}")[collection]]
                failure.advice = (_those(collection, names),)
            raise
        return found

    def _base(self, service: str) -> str:
        if service not in self._bases:
            found = self.session.get_endpoint(
                service_type=service, interface=self._interface, region_name=self._region, skip_discovery=True
            )
            if not found:
                raise Failure(
                    f"This cloud's catalogue has no {service} service.",
                    "see what it has:  openstack catalog list",
                    code=Exit.UNREACHABLE,
                )
            self._bases[service] = str(found).rstrip("/")
        return self._bases[service]

    def _unreachable(self, error: Exception) -> Failure:
        return Failure(f"{self._hint.message} ({error})", *self._hint.advice, code=Exit.UNREACHABLE)


def connect(state_dir: Path, cloud: str | None = None) -> Rest:
    """A session from the state directory's clouds.yaml, or from the user's own where the cloud is
    named there. Nothing is sent yet. Raises Failure.
    """
    from keystoneauth1 import session as ks
    from openstack import config
    from openstack.exceptions import ConfigException

    own = state_dir / "clouds.yaml"
    name = cloud or CLOUD
    is_own = own.exists() and name in _names(own)
    if not is_own and cloud is None:
        raise not_running(state_dir)
    try:
        loader = (
            config.OpenStackConfig(
                config_files=[str(own)], secure_files=[], vendor_files=[], load_envvars=False
            )
            if is_own
            else config.OpenStackConfig()
        )
        region = loader.get_one(cloud=name)
        auth = region.get_auth()
    except (ConfigException, ka.ClientException, OSError) as error:
        raise Failure(f"The cloud {name!r} can not be used: {error}", code=Exit.USAGE) from None
    verify, certificate = region.get_requests_verify_args()
    session = ks.Session(auth=auth, verify=verify, cert=certificate, timeout=60, app_name="magnum-lite")
    hint = not_running(state_dir) if is_own else Failure(f"The cloud {name} does not answer.")
    return Rest(
        session, region.config.get("region_name") or None, region.config.get("interface") or "public", hint
    )


def refusal(answer: Any, service: str) -> Failure:
    """An error answer, with every detail and the request's id."""
    texts = _details(answer)
    ident = answer.headers.get("x-openstack-request-id", "")
    code = _CODES.get(answer.status_code, Exit.REFUSED if answer.status_code < 500 else Exit.FAILED)
    if answer.status_code == 401:
        return _unauthorized()
    advice = [f"request id {ident}"] if ident and code != Exit.NOT_FOUND else []
    return Failure("\n  ".join(texts) or f"{service} answered {answer.status_code}.", *advice, code=code)


def _details(answer: Any) -> list[str]:
    try:
        body: Any = answer.json()
    except ValueError:
        return [line for line in answer.text.splitlines()[:1] if line.strip()]
    if not isinstance(body, Mapping):
        return []
    if isinstance(body.get("errors"), list):
        return [str(e.get("detail") or e.get("title")) for e in body["errors"] if isinstance(e, Mapping)]
    inner = next((v for v in body.values() if isinstance(v, Mapping) and v.get("message")), None)
    return [str(inner["message"])] if inner else []


def _unauthorized() -> Failure:
    return Failure("Keystone does not accept these credentials.", code=Exit.REFUSED)


def _those(collection: str, names: list[str]) -> str:
    noun = "bay" if collection == "bays" else "baymodel"
    return f"there are: {', '.join(sorted(names))}" if names else f"there is no {noun} yet"


def _names(path: Path) -> set[str]:
    import yaml

    try:
        document = yaml.safe_load(path.read_text()) or {}
    except yaml.YAMLError as error:
        raise Failure(f"{path} is not YAML: {error}", code=Exit.USAGE) from None
    return set(document.get("clouds") or {})
