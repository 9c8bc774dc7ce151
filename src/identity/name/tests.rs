//! Command lines as they are met, and what they are called.

use super::*;

fn info(cwd: &str, command: &str) -> Info {
    let args: Vec<String> = command.split(' ').map(str::to_owned).collect();
    Info { pid: 7, exe: Some(args[0].clone()), args, cwd: Some(cwd.to_owned()), ..Info::default() }
}

#[test]
fn what_runs_gives_the_name_where_nobody_gave_one() {
    for (cwd, command, name) in [
        ("/srv/orders-svc", "/usr/bin/node server.js", "orders-svc"),
        ("/srv/x", "/usr/bin/node --inspect dist/payments.js", "payments"),
        ("/srv/shop/dist", "/usr/bin/node index.js", "shop"),
        ("/", "/usr/bin/node /srv/shop/src/index.ts", "shop"),
        ("/srv/orders-svc", "/usr/bin/python3.11 main.py", "orders-svc"),
        ("/srv/x", "/usr/bin/python3 -u billing.py", "billing"),
        ("/srv/x", "/usr/bin/python3 -X dev -W ignore billing.py --port 80", "billing"),
        ("/srv/x", "/usr/bin/python3 -m http.server 8000", "http.server"),
        ("/srv/x", "/usr/bin/python3 -m uvicorn pkg.app:app --port 80", "pkg.app"),
        ("/srv/x", "/usr/bin/python3 /venv/bin/gunicorn -b 127.0.0.1:80 shop.wsgi:application", "shop.wsgi"),
        ("/srv/x", "/usr/bin/python3 /venv/bin/celery -A tasks worker", "tasks"),
        ("/srv/mail", "/usr/bin/python3 /venv/bin/uvicorn main:app", "mail"),
        ("/srv/notes", "/usr/bin/python3 -c print()", "notes"),
        ("/srv/x", "/usr/bin/java -Xmx1g -jar /opt/catalog-1.2.0-SNAPSHOT.jar --server.port=80", "catalog"),
        ("/srv/x", "/usr/bin/java -cp a.jar:b.jar com.example.OrdersApplication", "Orders"),
        ("/srv/x", "/usr/bin/java -Dx=y Hello.java", "Hello"),
        ("/srv/ledger", "/usr/bin/java -cp classes com.example.Main", "ledger"),
        ("/srv/x", "/usr/bin/dotnet Shop.Api.dll", "Shop.Api"),
        ("/srv/x", "/usr/bin/ruby bin/rails.rb server", "rails"),
        ("/srv/x", "/usr/local/bin/deno run -A stock.ts", "stock"),
        ("/srv/x", "/usr/bin/node -r ./tracing.js cart.js", "cart"),
        ("/srv/x", "/usr/bin/node --require ./tracing.js cart.js", "cart"),
        ("/srv/shop", "/usr/bin/node --import ./tracing.js src/index.js", "shop"),
        ("/srv/x", "/usr/bin/node --import=./tracing.js --env-file .env cart.js --title x", "cart"),
        ("/srv/x", "/usr/bin/node --max-old-space-size=99 --title x cart.js", "cart"),
        ("/srv/notes", "/usr/bin/node -e setInterval(f,1)", "notes"),
        ("/srv/notes", "/usr/bin/node -r ./tracing.js --eval=f() x.js", "notes"),
        ("/srv/x", "/usr/bin/tsx watch --env-file .env cart.ts", "cart"),
        ("/srv/notes", "/usr/bin/perl -e print()", "notes"),
        ("/srv/x", "/usr/bin/perl -I lib billing.pl", "billing"),
        ("/srv/x", "/usr/bin/ruby -I lib billing.rb", "billing"),
        ("/srv/notes", "/usr/bin/php -S 127.0.0.1:8000 -t public", "notes"),
        ("/srv/notes", "/usr/bin/php8.2 -r echo(1);", "notes"),
        ("/srv/x", "/usr/bin/php -d memory_limit=1 billing.php", "billing"),
        ("/srv/x", "/bin/bash ./deploy.sh", "deploy"),
        ("/srv/x", "/bin/bash -c while", "bash"),
        ("/srv/x", "/usr/lib/erlang/erts-13/bin/beam.smp -W w -s rabbit boot", "rabbitmq"),
        ("/srv/x", "/usr/sbin/nginx -g daemon", "nginx"),
        ("/srv/x", "/usr/bin/curl -s http://127.0.0.1", "curl"),
        ("/srv/x", "/opt/shop/orders", "orders"),
    ] {
        let (found, origin, _) = of(&info(cwd, command), None);
        assert_eq!(found, name, "{command}");
        let program = command.split(' ').next().unwrap().ends_with(name);
        assert_eq!(origin, if program { Origin::Program } else { Origin::Script }, "{command}");
    }
}

#[test]
fn a_program_under_another_name() {
    let busybox = Info { exe: Some("/bin/busybox".into()), ..info("/", "wget -q x") };
    assert_eq!(of(&busybox, None).0, "wget");
    let redis = Info { exe: Some("/usr/bin/redis-check-rdb".into()), ..info("/", "redis-server *:6379") };
    assert_eq!(of(&redis, None).0, "redis-server");
    let replaced = Info { exe: Some("/opt/orders (deleted)".into()), ..info("/", "/opt/orders") };
    assert_eq!(of(&replaced, None).0, "orders");
    let titled = Info { exe: None, ..info("/", "nginx: worker process") };
    assert_eq!(of(&titled, None).0, "nginx");
    assert_eq!(of(&Info { pid: 9, ..Info::default() }, None).0, "pid 9");
    let long = info("/", &format!("/opt/{}", "x".repeat(500)));
    assert_eq!(of(&long, None).0.chars().count(), LONGEST);
}

#[test]
fn what_people_named_comes_first_in_order() {
    let mut one = info("/srv/x", "/usr/bin/node orders.js");
    let named = |one: &Info, container: Option<&Container>| of(one, container);
    assert_eq!(named(&one, None), ("orders".into(), Origin::Script, None));
    one.cgroup = "0::/system.slice/orders-api.service\n".into();
    assert_eq!(named(&one, None), ("orders-api".into(), Origin::Unit, None));
    one.pod_container = Some("api".into());
    one.env.push(("HOSTNAME", "orders-6f9c".into()));
    assert_eq!(named(&one, None), ("api".into(), Origin::Pod, Some("orders-6f9c/api".into())));
    let plain = Container { name: "shop-orders-1".into(), service: None, addresses: Vec::new() };
    assert_eq!(named(&one, Some(&plain)), ("shop-orders-1".into(), Origin::Container, Some("shop-orders-1".into())));
    let composed = Container { service: Some("orders".into()), ..plain };
    assert_eq!(named(&one, Some(&composed)), ("orders".into(), Origin::Container, Some("shop-orders-1".into())));
    one.env.push(("DD_SERVICE", "dd".into()));
    assert_eq!(named(&one, Some(&composed)).0, "dd");
    one.env.push(("OTEL_RESOURCE_ATTRIBUTES", "deployment=x, service.name=check%20out%2".into()));
    assert_eq!(named(&one, Some(&composed)).0, "check out%2");
    one.env.push(("OTEL_SERVICE_NAME", "otel".into()));
    assert_eq!(named(&one, Some(&composed)), ("otel".into(), Origin::Environment, Some("shop-orders-1".into())));
}

#[test]
fn units_that_are_a_service() {
    for (cgroup, name) in [
        ("0::/system.slice/postgresql.service", Some("postgresql")),
        ("0::/system.slice/system-postgresql.slice/postgresql@15-main.service", Some("postgresql@15-main")),
        ("12:pids:/system.slice/redis.service\n0::/", Some("redis")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/orders.service", Some("orders")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-1.scope", None),
        ("0::/user.slice/user-1000.slice/session-3.scope", None),
        ("0::/system.slice/webapp-api.service", Some("webapp-api")),
        ("0::/system.slice/app-api.service", Some("app-api")),
        ("0::/system.slice/initech.service", Some("initech")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/webapp-api.service", Some("webapp-api")),
        ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-gnome-code-1.service", None),
        ("0::/user.slice/user-1000.slice/user@1000.service/init.scope", None),
        ("0::/init.scope", None),
        ("0::/", None),
        ("", None),
    ] {
        assert_eq!(unit(cgroup).as_deref(), name, "{cgroup}");
    }
}

#[test]
fn containers_by_their_control_group() {
    let id = "0123456789abcdef".repeat(4);
    for group in [
        format!("0::/system.slice/docker-{id}.scope"),
        format!("12:memory:/docker/{id}\n0::/"),
        format!("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1.slice/cri-containerd-{id}.scope"),
        format!("0::/kubepods/besteffort/pod6fd1/{id}"),
        format!("0::/machine.slice/libpod-{id}.scope/container"),
        format!("0::/crio-{id}.scope"),
    ] {
        assert_eq!(container_id(&group), Some(&*id), "{group}");
    }
    assert_eq!(container_id("0::/system.slice/docker.service"), None);
}
