"""The first tables."""
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
    ]

    operations = [
        migrations.CreateModel(
            name='Book',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('title', models.CharField(max_length=200)),
                ('slug', models.SlugField(unique=True)),
                ('author', models.CharField(max_length=100)),
                ('pages', models.PositiveIntegerField(blank=True, null=True)),
                ('cover', models.FileField(blank=True, upload_to='covers')),
            ],
            options={
                'ordering': ['title'],
            },
        ),
    ]
