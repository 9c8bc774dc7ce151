-- Each request of wrk carries a name of its own, and not more than about a thousand go out in a second.
local n = 0
function delay() return 2 end
function request()
  n = n + 1
  return wrk.format("GET", nil, { ["x-test-id"] = "wrk-" .. n })
end
