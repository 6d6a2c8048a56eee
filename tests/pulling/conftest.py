from tests.logged import logged as logged
