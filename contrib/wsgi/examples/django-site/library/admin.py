"""Books in the admin."""

from django.contrib import admin

from .models import Book


@admin.register(Book)
class BookAdmin(admin.ModelAdmin):
    list_display = ["title", "author", "pages", "slug"]
    search_fields = ["title", "author"]
    prepopulated_fields = {"slug": ["title"]}
