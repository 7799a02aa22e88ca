/* The kinds of entries the agent writes into the journal, to be found by MESSAGE_ID or by
 * VMVITALS_EVENT. */
#ifndef VMV_AGENT_EVENTS_H
#define VMV_AGENT_EVENTS_H

#define VMV_MSG_AGENT_START	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b01"
#define VMV_MSG_AGENT_STOP	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b02"
#define VMV_MSG_CONFIG_RELOADED "6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b03"
#define VMV_MSG_PORT_OPENED	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b04" /* a host attached */
#define VMV_MSG_PORT_CLOSED	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b05"
#define VMV_MSG_PORT_UNPLUGGED	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b06"
#define VMV_MSG_PORT_STUCK	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b07"
#define VMV_MSG_STATE		"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b08" /* SIGUSR1 */
#define VMV_MSG_COLLECTOR	"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b09" /* failed, ok again */
#define VMV_MSG_REFUSED		"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b0a" /* a command was refused */
#define VMV_MSG_STUCK		"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b0b" /* a question to the helper */
#define VMV_MSG_HEALTH		"6e0c2b1f7d5f4c0b9a3d1f2c8e4a7b0c" /* a health check changed */

#endif
