"""A Form, and a ModelForm."""

from django import forms
from django.utils.text import slugify

from .models import Book


class AskForm(forms.Form):
    email = forms.EmailField()
    question = forms.CharField(widget=forms.Textarea, min_length=10)


class BookForm(forms.ModelForm):
    class Meta:
        model = Book
        fields = ["title", "author", "pages"]

    def clean_title(self):
        title = self.cleaned_data["title"]
        if Book.objects.filter(slug=slugify(title)).exists():
            raise forms.ValidationError("There is a book of this title already.")
        return title

    def save(self, commit=True):
        self.instance.slug = slugify(self.instance.title)
        return super().save(commit)
