# Setup and hold of one corner, without wires and with the wire load, and the cell delays of the latter.
$libraries
read_verilog timing_netlist.v
link_design $top
create_clock -name clk -period $period_ns [get_ports $clock]
set_input_delay $input_delay_ns -clock clk [all_inputs]
set_output_delay 0 -clock clk [all_outputs]
puts "==== setup without wires"
report_checks -path_delay max -digits 4
source wires.tcl
puts "==== setup with wires"
report_checks -path_delay max -digits 4
puts "==== hold with wires"
report_checks -path_delay min -digits 4
write_sdf -digits 4 cells_$corner.sdf
puts "==== done"
