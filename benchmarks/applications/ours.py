"""This service: all that ``magnum_lite.wsgi`` makes is made, and its pecan application is served."""

from caller import as_member

from magnum_lite import wsgi
from magnum_lite.api.app import bare_application

whole = wsgi.application
application = as_member(bare_application(wsgi.deps))
