"""Which view answers which path."""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import path

from library import views

urlpatterns = [
    path("admin/", admin.site.urls),
    path("login/", auth.LoginView.as_view(), name="login"),
    path("logout/", auth.LogoutView.as_view(next_page="/"), name="logout"),
    path("", views.index, name="index"),
    path("books/<slug:slug>/", views.book, name="book"),
    path("books/<slug:slug>/cover/", views.cover, name="cover"),
    path("add/", views.add, name="add"),
    path("ask/", views.ask, name="ask"),
    path("mine/", views.mine, name="mine"),
    path("upload/", views.upload, name="upload"),
    path("export/", views.export, name="export"),
    path("echo/", views.echo, name="echo"),
    path("progress/", views.progress, name="progress"),
    path("talk/<slug:room>/", views.talk, name="talk"),
    path("jsonp/", views.jsonp, name="jsonp"),
    path("api/books/", views.api, name="api"),
]
