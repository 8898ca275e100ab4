"""Stands for Keystone in front of both services: every request is this member's."""

PROJECT, USER = "a" * 32, "b" * 32
_HEADERS = {
    "HTTP_X_IDENTITY_STATUS": "Confirmed",
    "HTTP_X_PROJECT_ID": PROJECT,
    "HTTP_X_PROJECT_NAME": "bench",
    "HTTP_X_USER_ID": USER,
    "HTTP_X_USER_NAME": "ana",
    "HTTP_X_USER_DOMAIN_ID": "default",
    "HTTP_X_AUTH_TOKEN": "none",
    "HTTP_X_ROLES": "member,reader",
}


def as_member(application):
    """The application behind that."""

    def wrapped(environ, start_response):
        environ.update(_HEADERS)
        return application(environ, start_response)

    return wrapped
