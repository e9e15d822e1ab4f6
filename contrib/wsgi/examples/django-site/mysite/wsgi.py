"""The WSGI application, with the static files around it."""

import os

from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")


class StaticFiles(StaticFilesHandler):
    """Serves what `collectstatic` has collected; Django's own handler does so with DEBUG only."""

    def serve(self, request):
        from django.conf import settings
        from django.views.static import serve

        return serve(request, self.file_path(request.path), document_root=settings.STATIC_ROOT)


application = StaticFiles(get_wsgi_application())
