// What is no application is told what would be one.
use rwgi::Application;

struct Site;

fn is_application(_: impl Application) {}

fn main() {
    is_application(Site);
}
