-- Pktgen-DPDK: the highest rate of SIP messages that an appliance relays without loss (RFC 2544 section 26.1).
--
--   pktgen EAL... -- -P -m CORES -s TX:workload.pcap -f throughput.lua
--
-- Plays the capture given with -s on one port and counts what comes back on the same or another one.
-- Settings come from the environment:
--
--   SIP_TX, SIP_RX   ports (0, 0)
--   SIP_SECONDS      length of a trial (5)
--   SIP_TRIALS       of the search (10)
--   SIP_LOSS         share that may be lost (0)
--   SIP_HIGHEST      where to begin, in per cent of the link's rate (100)
--   SIP_RESULT       file for the result as JSON (throughput.json)
--
-- Ends Pktgen when it is done.

package.path = package.path .. ";./?.lua"
require "Pktgen"

local function setting(name, default) return os.getenv(name) or default end

local tx = setting("SIP_TX", "0")
local rx = setting("SIP_RX", "0")
local seconds = tonumber(setting("SIP_SECONDS", "5"))
local trials = tonumber(setting("SIP_TRIALS", "10"))
local loss = tonumber(setting("SIP_LOSS", "0"))
local highest = tonumber(setting("SIP_HIGHEST", "100"))
local settle_ms = 1000 -- until everything has come back, and Pktgen has read the port's counters

local function counters()
    local sent = pktgen.portStats(tx, "port")[tonumber(tx)].opackets
    local returned = pktgen.portStats(rx, "port")[tonumber(rx)].ipackets
    return sent, returned
end

-- One trial: messages a second offered, the share that was lost.
local function trial(rate)
    pktgen.clr()
    pktgen.set(tx, "rate", rate)
    pktgen.delay(settle_ms)
    local sent_before, returned_before = counters()
    pktgen.start(tx)
    pktgen.delay(seconds * 1000)
    pktgen.stop(tx)
    pktgen.delay(settle_ms)
    local sent, returned = counters()
    sent, returned = sent - sent_before, returned - returned_before
    local lost = sent > 0 and (sent - returned) / sent or 1
    printf("rate %6.2f %%  sent %d  returned %d  lost %.4f %%\n", rate, sent, returned, lost * 100)
    return sent / seconds, returned / seconds, lost
end

local function search()
    local low, high, best, flood = 0, highest, 0, 0
    for number = 1, trials do
        local rate = number == 1 and highest or (low + high) / 2
        local offered, returned, lost = trial(rate)
        if number == 1 then flood = returned end
        if lost <= loss then
            low, best = rate, math.max(best, offered)
            if number == 1 then break end
        else
            high = rate
            if returned < offered and offered > 0 then -- no use to try far above what came back
                high = math.min(high, rate * math.max(returned / offered, 0.01) * 1.2)
            end
        end
    end
    return best, flood
end

pktgen.screen("off")
pktgen.set(tx, "count", 0)
pktgen.pcap(tx, "on")
pktgen.delay(1000)
local best, flood = search()
local result = string.format('{"loss_free_pps":%d,"flood_pps":%d,"loss_allowed":%g,"seconds":%g}\n',
                             math.floor(best), math.floor(flood), loss, seconds)
local file = assert(io.open(setting("SIP_RESULT", "throughput.json"), "w"))
file:write(result)
file:close()
printf("%s", result)
pktgen.quit()
