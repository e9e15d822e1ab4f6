"""A blog as Flask's tutorial builds one: accounts, sessions, a database, templates, redirects."""

import os
import sqlite3

from flask import Flask, abort, flash, g, redirect, render_template_string, request, session, url_for
from werkzeug.security import check_password_hash, generate_password_hash

PAGE = """<!doctype html><title>{{ title }}</title>
{% for message in get_flashed_messages() %}<p class=flash>{{ message }}</p>{% endfor %}
{% if user %}<p>{{ user }}</p>{% endif %}{% for post in posts %}<article><h1>{{ post[1] }}</h1>{{ post[2] }}</article>{% endfor %}"""


def create_app():
    app = Flask(__name__)
    app.secret_key = "dev"

    def database():
        if "database" not in g:
            g.database = sqlite3.connect(os.environ["FLASKR_DATABASE"])
        return g.database

    with sqlite3.connect(os.environ["FLASKR_DATABASE"]) as made:
        made.executescript(
            "create table if not exists user (name text unique, password text);"
            "create table if not exists post (author text, title text, body text);"
        )

    @app.teardown_appcontext
    def close(_):
        database = g.pop("database", None)
        if database is not None:
            database.close()

    @app.route("/")
    def index():
        posts = database().execute("select * from post order by title").fetchall()
        return render_template_string(PAGE, title="Posts", posts=posts, user=session.get("user"))

    @app.post("/register")
    def register():
        name, password = request.form["name"], request.form["password"]
        try:
            with database() as connection:
                connection.execute("insert into user values (?, ?)", (name, generate_password_hash(password)))
        except sqlite3.IntegrityError:
            flash("User %s is already registered." % name)
            return redirect(url_for("index"))
        return redirect(url_for("index"), 303)

    @app.post("/login")
    def login():
        row = database().execute("select password from user where name = ?", (request.form["name"],)).fetchone()
        if row is None or not check_password_hash(row[0], request.form["password"]):
            abort(403)
        session.clear()
        session["user"] = request.form["name"]
        return redirect(url_for("index"))

    @app.post("/create")
    def create():
        if "user" not in session:
            abort(401)
        with database() as connection:
            connection.execute("insert into post values (?, ?, ?)", (session["user"], request.form["title"], request.form["body"]))
        return redirect(url_for("index"))

    @app.get("/stream")
    def stream():
        return (("%d\n" % number for number in range(1000)), {"Content-Type": "text/plain"})

    @app.post("/json")
    def json():
        return request.get_json()

    return app
