#pragma once

// Tells systemd how far we are (sd_notify(3), Type=notify): one datagram to $NOTIFY_SOCKET. Nothing
// happens where that is not set.

#include <string_view>

namespace lb::cp {

// "READY=1", "RELOADING=1\nMONOTONIC_USEC=...", "STOPPING=1", "STATUS=...". False: nobody was told.
bool notify(std::string_view state);
bool notify_reloading();  // with the clock reading that Type=notify-reload asks for

}  // namespace lb::cp
