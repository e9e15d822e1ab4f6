"""Books."""

from django.db import models
from django.urls import reverse


class Book(models.Model):
    """A book; its address is made of its slug, which the admin builds from the title."""

    title = models.CharField(max_length=200)
    slug = models.SlugField(unique=True)
    author = models.CharField(max_length=100)
    pages = models.PositiveIntegerField(null=True, blank=True)
    cover = models.FileField(upload_to="covers", blank=True)

    class Meta:
        ordering = ["title"]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("book", args=[self.slug])
