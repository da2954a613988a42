-- What wrk does: send the requests of a file in turn, and tell the result as
-- one line of JSON. The file returns a list of method, path, headers, body.

local requests = {}
local last = 0

function init(arguments)
   for _, one in ipairs(dofile(arguments[1])) do
      local body = one.body ~= "" and one.body or nil
      table.insert(
         requests, wrk.format(one.method, one.path, one.headers, body))
   end
end

function request()
   last = last % #requests + 1
   return requests[last]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format(
      'RESULT {"requests": %d, "microseconds": %d, "errors": %d}\n',
      summary.requests - errors.status, summary.duration,
      errors.connect + errors.read + errors.write + errors.status
      + errors.timeout))
end
